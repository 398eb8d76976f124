"""Encoder: a timm model as blocks, a feature pyramid, and a prefix that may be fixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from medgraft.errors import RecipeError
from medgraft.models.adapt import adapt_model
from medgraft.models.decompose import Cut, cut, probe_image
from medgraft.models.normalise import Normalise
from medgraft.models.timm_models import create_timm_model, only_size, pretrained_config
from medgraft.models.weights import Weights, load_into

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Encoder(nn.Module):
    """A chain of blocks that turns images into a feature pyramid.

    Attributes
    ----------
    name : str
        The timm name.
    in_channels : int
        Channels of the images.
    blocks : nn.ModuleList
        The parts from input to output; strategies speak of these and of nothing finer.
    block_names : tuple of str
        A name for each block, for people.
    taps : tuple of int
        Indices of the blocks whose output is a level of the pyramid; the last block is always one.
    channels, strides : tuple of int
        Channels and reduction of each level.
    channels_last : bool
        Whether blocks pass maps on as [B, H, W, C].
    mean, std : tuple of float
        Statistics of the three colours (or of grey) that the weights were trained with. ``normalise`` holds them
        as they are applied, adapted to ``in_channels``.
    adapt : str
        How the first convolution was adapted to ``in_channels``.
    """

    adapt: str = "sum"

    def __init__(
        self, name: str, parts: Cut, normalise: Normalise, in_channels: int,
        mean: Sequence[float], std: Sequence[float],
    ) -> None:  # fmt: skip
        super().__init__()
        self.name = name
        self.in_channels = in_channels
        self.channels, self.strides = parts.channels, parts.strides
        self.block_names, self.taps = parts.names, parts.taps
        self.mean, self.std = tuple(mean), tuple(std)
        self.normalise = normalise
        self.blocks = nn.ModuleList(parts.blocks)
        self.channels_last = parts.channels_last
        self._held: frozenset[int] = frozenset()
        self._norms_held = False

    def forward_pyramid(self, images: Tensor) -> list[Tensor]:
        """Return the levels of the pyramid, fine to coarse.

        Parameters
        ----------
        images
            [B, C, H, W] in [0, 1], with H and W of at least 32; odd sizes too.

        Returns
        -------
        list of Tensor
            [B, channels[i], about H / strides[i], about W / strides[i]]; an encoder rounds odd sizes up or
            down in its own way.
        """
        return self.forward_prefix(images, len(self.blocks))

    forward = forward_pyramid

    def forward_prefix(self, images: Tensor, stop: int) -> list[Tensor]:
        """Run ``blocks[:stop]`` (stop >= 1).

        Returns
        -------
        list of Tensor
            The levels of the pyramid reached so far, followed by the output of block ``stop - 1`` where that
            is no level itself. :meth:`forward_suffix` takes it from there.
        """
        self._check_position(stop)
        return self._run(self.normalise(images), 0, stop, [])

    def forward_suffix(self, outputs: Sequence[Tensor], start: int) -> list[Tensor]:
        """Continue from what ``forward_prefix(images, start)`` returned, and return the whole pyramid."""
        self._check_position(start)
        levels = list(outputs)
        if start - 1 in self.taps:
            return self._run(self._from_level(levels[-1]), start, len(self.blocks), levels)
        return self._run(levels.pop(), start, len(self.blocks), levels)

    def forward_pooled(self, images: Tensor) -> Tensor:
        """Return the global average of the coarsest level, [B, channels[-1]]."""
        return self.forward_pyramid(images)[-1].mean(dim=(2, 3))

    def hold(self, blocks: Iterable[int], norms: bool = False) -> None:
        """Keep blocks in eval mode whatever ``train()`` or ``eval()`` says; replaces what was held before.

        Parameters
        ----------
        blocks
            Indices into :attr:`blocks`. Their BatchNorm buffers then stay bit-identical, dropout is off.
        norms
            Keep every batch normalisation of the encoder in eval mode, in the other blocks too.
        """
        held = frozenset(blocks)
        if not held <= set(range(len(self.blocks))):
            raise ValueError(f"blocks {sorted(held)} to hold, but {self.name} has blocks 0 to {len(self.blocks) - 1}")
        self._held, self._norms_held = held, norms
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """Set training or eval mode, except for what :meth:`hold` keeps in eval mode."""
        super().train(mode)
        for index in self._held:
            self.blocks[index].eval()
        if self._norms_held:
            for module in self.modules():
                if isinstance(module, _BATCH_NORMS):
                    module.eval()
        return self

    def _check_position(self, position: int) -> None:
        if not 1 <= position <= len(self.blocks):
            raise ValueError(f"position {position}, but {self.name} has {len(self.blocks)} blocks to run")

    def _run(self, hidden: Tensor, start: int, stop: int, levels: list[Tensor]) -> list[Tensor]:
        for index in range(start, stop):
            hidden = self.blocks[index](hidden)
            if index in self.taps:
                levels.append(self._to_level(hidden))
        return levels if stop - 1 in self.taps else [*levels, hidden]

    def _to_level(self, hidden: Tensor) -> Tensor:
        return hidden.permute(0, 3, 1, 2) if self.channels_last else hidden

    def _from_level(self, level: Tensor) -> Tensor:
        return level.permute(0, 2, 3, 1) if self.channels_last else level


def create_encoder(
    name: str,
    in_channels: int = 3,
    weights: Weights | None = None,
    adapt: str = "sum",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Encoder:
    """Build an encoder by its timm name.

    Parameters
    ----------
    name
        Any timm model that is a chain of blocks with a feature pyramid.
    in_channels
        Channels of the images; other than 3 changes the first convolution, see
        :func:`medgraft.models.adapt.adapt_first_layer`.
    weights
        Pretrained weights of the full model (its classifier is left out), or None for random weights.
    adapt
        ``sum`` or ``mean``, for 1-channel images.
    mean, std
        Colour statistics; by default those of ``weights``, else those that timm has for ``name``. One value each
        says that the weights were trained on grey images. The structure depends on them, so an encoder that is to
        take a saved state wants the same.

    Raises
    ------
    RecipeError
        When the name is unknown or the model is not suited.
    WeightsError
        When the weights do not fit.

    Examples
    --------
    >>> import torch
    >>> encoder = create_encoder("tf_efficientnet_lite0")
    >>> [level.shape[1:] for level in encoder.forward_pyramid(torch.rand(1, 3, 64, 64))][-1]
    torch.Size([320, 2, 2])
    """
    mean, std = statistics(name, weights, mean, std)
    model = create_timm_model(name, in_chans=len(mean))
    if only_size(model):
        raise RecipeError(f"encoder {name!r} takes images of one size only; choose another encoder.")
    parts = cut(model, name, probe_image(len(mean)))
    if weights is not None:
        load_into(model, weights, name, parts.parts)
    normalise = adapt_model(model, model.pretrained_cfg["first_conv"], mean, std, in_channels, adapt)
    encoder = Encoder(name, parts, normalise, in_channels, mean, std)
    encoder.adapt = adapt
    return encoder


def statistics(
    name: str, weights: Weights | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation as given, else those of ``weights``, else those that are known for ``name``."""
    known = weights or pretrained_config(name)
    return tuple(mean or known.mean), tuple(std or known.std)
