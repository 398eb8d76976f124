"""Slim encoders: the first blocks as they are, and the rest of the architecture at half its width.

Raghu et al. 2019 (arXiv:1902.07208, section 5) keep the pretrained weights of ResNet-50 up to its second block, since
reuse is confined to the lowest layers, and put a lighter top of random weights on them. Here any encoder is cut at any
of its blocks. Every layer behind the cut has half as many outputs, and as many inputs as then reach it; heads of
attention keep their number and have half the width. Where a block adds its input to its output, as those of vision
transformers do, or an inverted bottleneck that keeps its width, it cannot halve what it is given: one layer without an
activation (a 1 x 1 convolution, or a linear layer on tokens) then does so in front of it. The paper has no such case.

The random values are those that the architecture's own scheme gives the whole model, of each tensor its leading part.
Those of a convolution are scaled up by the square root of how many times fewer inputs it has, as He et al. 2015
(arXiv:1502.01852) ask for; the spread that transformers give their linear layers does not depend on their width.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from math import gcd, prod, sqrt
from typing import Any, TypeVar

import torch
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from medgraft.errors import RecipeError
from medgraft.models.decompose import as_block, count_parameters
from medgraft.models.encoder import Encoder
from medgraft.models.features import FeatureEncoder

E = TypeVar("E", bound=Encoder)

_MISFITS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError)
_LAYERS = (nn.Conv2d, nn.Linear)
_SIDE = 64
"""Side in pixels of the images on which widths are found, where the encoder has no other wish."""


def slimmed(encoder: E, keep: int) -> E:
    """Halve the width of all blocks behind the first ``keep``, in place, and return the encoder.

    Parameters
    ----------
    encoder
        With random weights. Its blocks behind the cut are replaced; ``channels`` and ``num_features`` change with them.
    keep
        How many blocks stay as they are, at least 1.

    Raises
    ------
    RecipeError
        When no block with weights is left to be narrowed, or the architecture does not allow it.
    """
    able = [i for i, block in enumerate(encoder.blocks) for part in block.modules() if isinstance(part, _LAYERS)]
    if not 1 <= keep <= able[-1]:
        raise RecipeError(
            f"init: slim-{keep} wants a block to keep and a layer behind it to narrow; encoder {encoder.name} has the "
            f"blocks {', '.join(encoder.block_names)}."
        )
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        hidden = _up_to(encoder, keep)
        top = _fitting_top(encoder, keep, hidden)
        for index, block in enumerate(top, start=keep):
            encoder.blocks[index] = block
        _measure(encoder)
    encoder.train(was_training)
    return encoder


def _up_to(encoder: Encoder, keep: int) -> Tensor:
    """What reaches the block ``keep``, for two grey-noise images."""
    side = max(_SIDE, encoder.smallest) if isinstance(encoder, FeatureEncoder) else _SIDE
    images = torch.rand(2, encoder.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    hidden: Tensor = encoder.normalise(images)
    for block in list(encoder.blocks)[:keep]:
        hidden = block(hidden)
    return hidden


def _fitting_top(encoder: Encoder, keep: int, hidden: Tensor) -> list[nn.Module]:
    """The narrowed blocks, with a layer in front of them that halves the width where they need one."""
    for make in (nn.Identity, partial(_bridge, encoder, hidden)):
        bridge, top = make(), deepcopy(list(encoder.blocks)[keep:])
        try:
            given = bridge(hidden)
            _narrow(top, given)
            _run(top, given)
        except _MISFITS:
            continue
        if count_parameters(bridge):
            top[0] = as_block([("bridge", bridge), *top[0].named_children()])
        return top
    raise RecipeError(
        f"init: slim-{keep} cannot be had, as encoder {encoder.name} cannot be narrowed behind its block "
        f"{encoder.block_names[keep - 1]}; choose another number of blocks, or another encoder."
    )


def _bridge(encoder: Encoder, hidden: Tensor) -> nn.Module:
    """A layer from the width of ``hidden`` to half of it; as torch draws its weights."""
    if hidden.ndim == 3 or (hidden.ndim == 4 and encoder.channels_last):
        return nn.Linear(hidden.shape[-1], hidden.shape[-1] // 2)
    return nn.Conv2d(hidden.shape[1], hidden.shape[1] // 2, kernel_size=1)


def _run(blocks: list[nn.Module], hidden: Tensor) -> Tensor:
    for block in blocks:
        hidden = block(hidden)
    return hidden


def _narrow(blocks: list[nn.Module], hidden: Tensor) -> None:
    """Halve every layer when what it is given first reaches it, since the width of that is known then alone."""
    hooks = []
    for block in blocks:
        for module in block.modules():
            change = _change_of(module)
            if change is not None:
                hooks.append(module.register_forward_pre_hook(partial(_once, change, set())))
            else:
                _halve_own(module)
    try:
        _run(blocks, hidden)
    finally:
        for hook in hooks:
            hook.remove()


def _once(change: Callable[[Any, Tensor], None], done: set[int], module: nn.Module, inputs: tuple[Any, ...]) -> None:
    if id(module) not in done:
        done.add(id(module))
        change(module, inputs[0])


def _change_of(module: nn.Module) -> Callable[[Any, Tensor], None] | None:
    if isinstance(module, nn.Conv2d):
        return _narrow_convolution
    if isinstance(module, nn.Linear):
        return _narrow_linear
    if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
        return _narrow_norm
    return None


def _narrow_convolution(layer: nn.Conv2d, given: Tensor) -> None:
    inputs, before = given.shape[1], layer.weight.shape
    if layer.groups == layer.in_channels:  # each channel by itself
        layer.groups, layer.out_channels = inputs, inputs * (layer.out_channels // layer.in_channels)
    else:
        layer.out_channels = max(1, layer.out_channels // 2)
        layer.groups = gcd(layer.groups, gcd(inputs, layer.out_channels))
    layer.in_channels = inputs
    kept = layer.weight[: layer.out_channels, : inputs // layer.groups]
    scale = sqrt(prod(before[1:]) / prod(kept.shape[1:]))
    layer.weight = nn.Parameter(kept * scale)
    _cut_bias(layer, layer.out_channels)


def _narrow_linear(layer: nn.Linear, given: Tensor) -> None:
    layer.in_features, layer.out_features = given.shape[-1], max(1, layer.out_features // 2)
    layer.weight = nn.Parameter(layer.weight[: layer.out_features, : layer.in_features].clone())
    _cut_bias(layer, layer.out_features)


def _cut_bias(layer: Any, outputs: int) -> None:
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias[:outputs].clone())


def _narrow_norm(norm: Any, given: Tensor) -> None:
    """Layer norms have the channels last, but for timm's of maps [B, C, H, W]."""
    last = isinstance(norm, nn.LayerNorm) and not isinstance(norm, LayerNorm2d)
    width = int(given.shape[-1] if last else given.shape[1])
    for name, tensor in [*norm.named_parameters(recurse=False), *norm.named_buffers(recurse=False)]:
        if tensor.ndim == 1:
            cut = tensor[:width].clone()
            setattr(norm, name, nn.Parameter(cut) if isinstance(tensor, nn.Parameter) else cut)
    if isinstance(norm, nn.LayerNorm):
        norm.normalized_shape = (width,)
    elif isinstance(norm, nn.GroupNorm):
        norm.num_channels, norm.num_groups = width, gcd(norm.num_groups, width)
    else:
        norm.num_features = width


def _halve_own(module: Any) -> None:
    """Scales of layers, one a channel, which stand beside them, and the width of each head of attention."""
    for name, tensor in list(module.named_parameters(recurse=False)):
        if tensor.ndim == 1:
            setattr(module, name, nn.Parameter(tensor[: tensor.shape[0] // 2].clone()))
    if hasattr(module, "qkv"):
        head = int(module.qkv.out_features // (3 * module.num_heads)) // 2
        for name, value in (("head_dim", head), ("attn_dim", head * module.num_heads), ("scale", head**-0.5)):
            if hasattr(module, name):
                setattr(module, name, value)


def _measure(encoder: Encoder) -> None:
    """Find the widths that have changed."""
    side = max(_SIDE, encoder.smallest) if isinstance(encoder, FeatureEncoder) else _SIDE
    images = torch.zeros(2, encoder.in_channels, side, side)
    if encoder.taps:
        encoder.channels = tuple(int(level.shape[1]) for level in encoder.forward_pyramid(images))
    if isinstance(encoder, FeatureEncoder):
        encoder.num_features = int(encoder.forward_pooled(images).shape[1])
