"""The layers of a model whose output is still a picture: maps of channels, or tokens of patches, in any layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.errors import RecipeError, listing, suggest
from medgraft.models.encoder_model import EncoderModel
from medgraft.models.tokens import TokenStem
from medgraft.models.unet import UNet

_NO_PICTURE = (nn.Identity, nn.Dropout, nn.Softmax, nn.Linear)
"""Parts that hand on what another part returned, weights between places, or the inside of an attention."""
_MOST_EXTRA = 8
"""Class and register tokens that a transformer may put before its patches."""


@dataclass(frozen=True)
class MapLayer:
    """A layer of a model with its layout.

    Attributes
    ----------
    block : the encoder's block that it belongs to; for people and for ``--layer``.
    path : of the layer in the model, as ``nn.Module.get_submodule`` takes it.
    layout : ``channels first`` [B, C, h, w], ``channels last`` [B, h, w, C] or ``tokens`` [B, extra + h * w, C].
    extra : class and register tokens, which come first and have no place in the image.
    """

    block: str
    path: str
    layout: str
    extra: int = 0

    def to_maps(self, output: Tensor) -> Tensor:
        """The layer's output as [B, C, h, w]."""
        if self.layout == "channels first":
            return output
        if self.layout == "channels last":
            return output.permute(0, 3, 1, 2)
        patches = output[:, self.extra :].transpose(1, 2)
        side = isqrt(patches.shape[2])
        return patches.reshape(*patches.shape[:2], side, side)

    def from_maps(self, maps: Tensor, output: Tensor) -> Tensor:
        """Maps [B, C, h, w] in the layout of ``output``, whose extra tokens are kept."""
        if self.layout == "channels first":
            return maps
        if self.layout == "channels last":
            return maps.permute(0, 2, 3, 1)
        return torch.cat([output[:, : self.extra], maps.flatten(2).transpose(1, 2)], dim=1)


@contextmanager
def tapped(model: nn.Module, layer: MapLayer) -> Iterator[nn.Module]:
    """Yield a module through which the layer's maps [B, C, h, w] pass whenever the model runs, as they are."""
    tap = nn.Identity()

    def through(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # A copy, as the next layer may write over what it is given.
        return layer.from_maps(tap(layer.to_maps(output)), output).clone()

    handle = model.get_submodule(layer.path).register_forward_hook(through)
    try:
        yield tap
    finally:
        handle.remove()


def block_paths(model: nn.Module) -> dict[str, str]:
    """The blocks from the image on, by name, with their paths in the model: an encoder's, or a U-Net's way down."""
    if isinstance(model, EncoderModel):
        return {name: f"encoder.blocks.{place}" for place, name in enumerate(model.encoder.block_names)}
    assert isinstance(model, UNet), type(model)
    return {"first": "first"} | {f"down{place + 1}": f"downs.{place}" for place in range(len(model.downs))}


def find_layer(model: nn.Module, images: Tensor, name: str | None = None) -> MapLayer:
    """The layer whose maps are explained: the last one of block ``name``, or of the model.

    By default, the last layer with more than one place whose places take part in the answer. What comes after the
    last block of a vision transformer reads the class token alone, so that the block before it is taken there.

    Parameters
    ----------
    model : in eval mode.
    images : [1, C, S, S] in [0, 1], square, that the model is run on once.
    name : of a block.

    Raises
    ------
    RecipeError
        Where there is no such block, or no layer with maps.
    """
    paths = block_paths(model)
    if name is not None and name not in paths:
        raise RecipeError(f"layer: the model has no block {name!r}; it has {listing(paths, 40)}.{suggest(name, paths)}")
    found = _layers_with_maps(model, paths, images)
    wanted = list(reversed(paths)) if name is None else [name]
    candidates = [entry for block in wanted for entry in found.get(block, ())]
    if not candidates:
        which = "no layer of the model" if name is None else f"no layer of block {name}"
        those = f"; blocks with maps: {listing(found, 40)}" if found else ", so it has no such maps: use occlusion"
        raise RecipeError(f"layer: {which} has more than one place at this size{those}.")
    return next((layer for layer, alive in candidates if alive), candidates[0][0])


def _layers_with_maps(
    model: nn.Module, paths: dict[str, str], images: Tensor
) -> dict[str, list[tuple[MapLayer, bool]]]:
    """By block its layers with maps, the last first, and whether the answer depends on their places.

    A block whose own output has places stands for all that is in it; of others the parts in a row count. A model that
    could not be cut is one block, where all that is in it counts.
    """
    deep = len(paths) == 1
    seen = _outputs(model, paths, images)
    extra = _extra_tokens(model)
    last = any(_channels_surely_last(seen[path][0]) for path in paths.values() if path in seen)
    found: dict[str, list[tuple[MapLayer, bool]]] = {}
    for block, path in paths.items():
        layers = []
        for inner, (output, gradient) in seen.items():
            if inner != path and not (deep or inner.rpartition(".")[0] == path):
                continue
            layer = _as_layer(block, inner, output, int(images.shape[-1]), extra, last)
            if layer is not None:
                layers.append((layer, gradient is not None and bool(layer.to_maps(gradient).any())))
        whole = [entry for entry in layers if entry[0].path == path]
        if layers:
            found[block] = whole or layers[::-1]
    return found


def _outputs(model: nn.Module, paths: dict[str, str], images: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
    """By path, in the order in which they end, what the layers of all blocks return and the gradient there."""
    outputs: dict[str, list[Tensor]] = {}

    def keep(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: object) -> Tensor | None:
            if not isinstance(output, Tensor) or not output.requires_grad:
                return None
            outputs.setdefault(path, []).append(output)
            return output.clone()

        return hook

    watched = [
        (f"{path}.{inner}" if inner else path, module)
        for path in paths.values()
        for inner, module in model.get_submodule(path).named_modules()
        if not isinstance(module, _NO_PICTURE)
    ]
    handles = [module.register_forward_hook(keep(path)) for path, module in watched]
    try:
        with torch.enable_grad():
            logits = model(images.detach().clone().requires_grad_())
            # Weights without a pattern, so that no two places or classes cancel.
            weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(0)) + 0.5
            once = {path: found[0] for path, found in outputs.items() if len(found) == 1}
            answer = (logits * weights.to(logits.device)).sum()
            gradients = torch.autograd.grad(answer, list(once.values()), allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return {path: (output, found) for (path, output), found in zip(once.items(), gradients, strict=True)}


def _channels_surely_last(output: Tensor) -> bool:
    return output.ndim == 4 and 1 < output.shape[1] == output.shape[2] != output.shape[3]


def _as_layer(block: str, path: str, output: Tensor, side: int, extra: int | None, last: bool) -> MapLayer | None:
    """The layer, where its output for one square image of ``side`` pixels has places in rows and columns.

    ``last`` says that blocks of the model have their channels last, for one with as many channels as rows.
    """
    shape = tuple(output.shape)
    if shape[0] != 1:
        return None
    if len(shape) == 4:
        # Images are square, so the two sides of a map are the pair of equal numbers.
        if 1 < shape[2] == shape[3] <= side and not (last and shape[1] == shape[2]):
            return MapLayer(block, path, "channels first")
        return MapLayer(block, path, "channels last") if 1 < shape[1] == shape[2] <= side else None
    if len(shape) != 3:
        return None
    before = shape[1] - isqrt(shape[1]) ** 2 if extra is None else extra
    places = shape[1] - before
    if places < 4 or isqrt(places) ** 2 != places or before > _MOST_EXTRA or isqrt(places) > side:
        return None
    return MapLayer(block, path, "tokens", before)


def _extra_tokens(model: nn.Module) -> int | None:
    """How many tokens come before the patches, where the model's stem tells."""
    stem = next((part for part in model.modules() if isinstance(part, TokenStem)), None)
    if stem is None:
        return None
    return sum(int(token.shape[1]) for token in (stem.cls_token, stem.reg_token) if token is not None)
