"""FeatureEncoder: any timm model, or one of the CBR family, as blocks that end with pooled features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from medgraft.errors import RecipeError
from medgraft.models.adapt import adapt_model
from medgraft.models.cbr import CBR, CBR_ENCODERS
from medgraft.models.chain import FeatureCut, feature_cut
from medgraft.models.encoder import Encoder, statistics
from medgraft.models.normalise import Normalise
from medgraft.models.timm_models import create_timm_model, pretrained_config
from medgraft.models.weights import Weights, load_into


class FeatureEncoder(Encoder):
    """A chain of blocks that turns images into one row of features each, for classification.

    The last block ends with the pooling (and the last convolution or norm) of the model, so that the features are
    what timm's model without classifier returns. A part of that end that can learn is a block of its own; else it
    belongs to the last block before it. What lies between two blocks may have any shape: maps, or tokens [B, N, D].

    Attributes
    ----------
    num_features : int
        Width of the pooled features.
    is_chain : bool
        False where the model could not be cut: it is then one block, which is fixed or learns as a whole.
    smallest : int
        The side in pixels of the smallest images it takes.
    only : int or None
        The side of the only images it takes; None where sizes are free.

    And those of :class:`Encoder`; ``taps``, ``channels`` and ``strides`` are empty where there is no pyramid.
    """

    def __init__(
        self, name: str, parts: FeatureCut, normalise: Normalise, in_channels: int,
        mean: Sequence[float], std: Sequence[float],
    ) -> None:  # fmt: skip
        super().__init__(name, parts, normalise, in_channels, mean, std)
        self.num_features, self.is_chain = parts.num_features, parts.is_chain
        self.smallest, self.only = parts.smallest, parts.only
        self._pooling = parts.pooling

    def forward_prefix(self, images: Tensor, stop: int) -> list[Tensor]:
        """Run ``blocks[:stop]`` (stop >= 1) on images [B, C, H, W] in [0, 1].

        Returns
        -------
        list of Tensor
            The output of block ``stop - 1`` alone, which :meth:`forward_suffix` takes; after all blocks the features.

        Raises
        ------
        RecipeError
            When the images are too small for the encoder, or it takes another size only.
        """
        self._check_position(stop)
        self._check_size(images)
        return [self._chained(self.normalise(images), 0, stop)]

    def forward_suffix(self, outputs: Sequence[Tensor], start: int) -> list[Tensor]:
        """Continue from what ``forward_prefix(images, start)`` returned; return the pooled features in a list."""
        self._check_position(start)
        (hidden,) = outputs
        return [self._chained(hidden, start, len(self.blocks))]

    def forward_pooled(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] in [0, 1] to features [B, num_features]."""
        return self.forward_prefix(images, len(self.blocks))[0]

    forward = forward_pooled  # type: ignore[assignment]

    def forward_pyramid(self, images: Tensor) -> list[Tensor]:
        """Return the levels of the pyramid, as :meth:`Encoder.forward_pyramid` does.

        Raises
        ------
        RecipeError
            When the encoder has none, such as a vision transformer.
        """
        if not self.taps:
            raise RecipeError(f"encoder {self.name!r} has no feature pyramid; choose one such as resnet50.")
        self._check_size(images)
        hidden, levels = self.normalise(images), []
        for index in range(self.taps[-1] + 1):
            block: Any = self.blocks[index]
            pooled_here = self._pooling and index == len(self.blocks) - 1
            hidden = block[: -self._pooling](hidden) if pooled_here else block(hidden)
            if index in self.taps:
                levels.append(self._to_level(hidden))
        return levels

    def _chained(self, hidden: Tensor, start: int, stop: int) -> Tensor:
        for block in list(self.blocks)[start:stop]:
            hidden = block(hidden)
        return hidden

    def _check_size(self, images: Tensor) -> None:
        sides = (int(images.shape[-2]), int(images.shape[-1]))
        if self.only and sides != (self.only, self.only):
            raise RecipeError(f"encoder {self.name!r} takes images of {self.only} x {self.only} pixels only; "
                              f"choose size {self.only}, or another encoder.")  # fmt: skip
        if min(sides) < self.smallest:
            raise RecipeError(f"encoder {self.name!r} takes images of at least {self.smallest} pixels a side, "
                              f"not {sides[0]} x {sides[1]}; choose a larger size, or another encoder.")  # fmt: skip


def create_feature_encoder(
    name: str,
    in_channels: int = 3,
    weights: Weights | None = None,
    adapt: str = "sum",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> FeatureEncoder:
    """Build an encoder for classification by its name.

    Parameters
    ----------
    name
        Any timm model, or one of the CBR family (:data:`medgraft.models.cbr.CBR_ENCODERS`).
    in_channels, adapt
        Channels of the images, see :func:`medgraft.models.adapt.adapt_first_layer`.
    weights
        Pretrained weights of the full model (its classifier is left out), or None for random weights.
    mean, std
        Statistics of the weights' images; by default those of ``weights``, else those known for ``name``. One value
        each says that the weights take grey images. The structure depends on them, so an encoder that is to take a
        saved state wants the same.

    Raises
    ------
    RecipeError
        When the name is unknown or the model is not suited.
    WeightsError
        When the weights do not fit.

    Examples
    --------
    >>> import torch
    >>> encoder = create_feature_encoder("resnet18")
    >>> encoder(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 512])
    """
    mean, std = statistics(name, weights, mean, std)
    model = _model(name, len(mean))
    parts = feature_cut(model, name, len(mean))
    if weights is not None:
        load_into(model, weights, name, _owners(model))
    normalise = adapt_model(model, pretrained_config(name).first_conv, mean, std, in_channels, adapt)
    encoder = FeatureEncoder(name, parts, normalise, in_channels, mean, std)
    encoder.adapt = adapt
    return encoder


def _model(name: str, planes: int) -> nn.Module:
    if name in CBR_ENCODERS:
        return CBR(CBR_ENCODERS[name], planes)
    model: nn.Module = create_timm_model(name, in_chans=planes, num_classes=0)
    return model


def _owners(model: nn.Module) -> list[str]:
    """All that has a state in a model without classifier: its parts, and tensors of its own."""
    return sorted({key.partition(".")[0] for key in model.state_dict()})
