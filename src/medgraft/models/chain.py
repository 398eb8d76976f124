"""A model without its classifier as blocks from the images to pooled features, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from timm.models.vgg import VGG
from torch import Tensor, nn

from medgraft.errors import RecipeError
from medgraft.models.cbr import CBR
from medgraft.models.decompose import (
    Cut,
    Leaf,
    as_block,
    close,
    count_parameters,
    cut,
    largest,
    leaves_of,
    levels_of,
    probe_image,
    stirred,
)
from medgraft.models.timm_models import only_size
from medgraft.models.tokens import token_blocks

_SIDES = (64, 75, 96, 128, 224)
# What a model raises on images too small for it, and its parts where it does more than to chain them.
_MISFITS = (RuntimeError, TypeError, KeyError, AttributeError, AssertionError, ValueError, IndexError, RecipeError)


@dataclass(frozen=True)
class FeatureCut(Cut):
    """A model as a chain of blocks that ends with pooled features.

    Attributes
    ----------
    num_features : int
        Width of the pooled features.
    pooling : int
        How many parts of the last block come behind the coarsest level of the pyramid, where that is in the block.
    smallest : int
        The side in pixels of the smallest images that the model takes.
    only : int or None
        The side of the only images that it takes, or None where sizes are free.
    is_chain : bool
        False where the model could not be cut and is one block.
    """

    num_features: int
    pooling: int = 0
    smallest: int = 32
    only: int | None = None
    is_chain: bool = True


def feature_cut(model: Any, name: str, planes: int) -> FeatureCut:
    """Cut a model into blocks, and compare them with it on small images; one that is no chain is one block.

    Parameters
    ----------
    model
        Of timm, with ``num_classes=0``, or a :class:`CBR`, for images of ``planes`` planes.
    name
        What messages call it.

    Raises
    ------
    RecipeError
        When the model does not turn an image into one row of features.
    """
    only = None if isinstance(model, CBR) else only_size(model)
    with stirred(model), torch.no_grad():
        images, features = _reference(model, name, planes, only)
        result = _first_that_fits(model, name, images, features)
    for block in result.blocks:
        block.train(model.training)
    side = images.shape[-1]
    return replace(result, smallest=only or (side if side > _SIDES[0] else 32), only=only)


def _first_that_fits(model: Any, name: str, images: Tensor, features: Tensor) -> FeatureCut:
    width = features.shape[1]
    for attempt in (_cbr, _transformer, _staged, partial(_pyramid, name=name, images=images)):
        try:
            result = attempt(model, width=width)
            if result is not None and close(nn.Sequential(*result.blocks).eval()(images), features):
                return result
        except _MISFITS:
            continue
    return FeatureCut(
        blocks=[nn.Sequential(model)], names=("whole",), taps=(), channels=(), strides=(), parts=(),
        channels_last=False, num_features=width, is_chain=False,
    )  # fmt: skip


def _reference(model: Any, name: str, planes: int, only: int | None) -> tuple[Tensor, Tensor]:
    """The smallest images tried that the model takes, and their features."""
    for side in (only,) if only else _SIDES:
        images = probe_image(planes, side)
        try:
            features = model(images)
        except _MISFITS:
            continue
        if isinstance(features, Tensor) and features.ndim == 2:
            return images, features
    raise RecipeError(
        f"encoder {name!r} does not turn an image into a row of features, so it cannot be used here; choose another."
    )


def _cbr(model: Any, width: int) -> FeatureCut | None:
    if not isinstance(model, CBR):
        return None
    *stages, pool = model.named_children()
    return _with_rest([as_block([stage]) for stage in stages], [key for key, _ in stages], [pool], width)


def _transformer(model: Any, width: int) -> FeatureCut | None:
    """ViT, DeiT, DINOv2."""
    if not all(hasattr(model, part) for part in ("patch_embed", "_pos_embed", "blocks")):
        return None
    blocks, names, rest = token_blocks(model)
    return _with_rest(blocks, names, rest, width)


def _staged(model: Any, width: int) -> FeatureCut | None:
    """VGG, whose convolutions stand in one row: a stage ends with a max-pool, and is a level."""
    if not isinstance(model, VGG):
        return None
    stages: list[list[Leaf]] = [[]]
    for key, part in model.features.named_children():
        stages[-1].append((f"features.{key}", part))
        if isinstance(part, nn.MaxPool2d):
            stages.append([])
    stages.pop()
    convolutions = [[part for _, part in stage if isinstance(part, nn.Conv2d)] for stage in stages]
    _, rest = leaves_of(model, {stages[-1][-1][0]})
    result = _with_rest(
        [as_block(stage) for stage in stages], [f"conv{i + 1}" for i in range(len(stages))], rest, width
    )
    return replace(
        result,
        taps=tuple(range(len(stages))),
        channels=tuple(inside[-1].out_channels for inside in convolutions),
        strides=tuple(2 ** (i + 1) for i in range(len(stages))),
    )


def _pyramid(model: Any, width: int, name: str, images: Tensor) -> FeatureCut:
    """CNNs and Swin: the blocks of the pyramid, and what the model has behind it."""
    parts = cut(model, name, images)
    _, rest = leaves_of(model, {level["module"] for level in levels_of(model, name)})
    rate = float(getattr(model, "drop_rate", 0.0) or 0.0)
    if rate and not any(isinstance(part, nn.Dropout) and part.p for _, leaf in rest for part in leaf.modules()):
        # Some models drop features by a function, which is no part of theirs.
        rest.append(("dropout", nn.Dropout(rate)))
    result = _with_rest(parts.blocks, list(parts.names), rest, width)
    return replace(
        result, taps=parts.taps, channels=parts.channels, strides=parts.strides, channels_last=parts.channels_last
    )


def _with_rest(blocks: list[nn.Sequential], names: list[str], rest: list[Leaf], width: int) -> FeatureCut:
    """Put what comes last into a block of its own, or, where none of it can learn, into the last block."""
    rest = [leaf for leaf in rest if not isinstance(leaf[1], nn.Identity)]
    pooling = 0
    if any(count_parameters(part) for _, part in rest):
        blocks, names = [*blocks, as_block(rest)], [*names, _tail_name(rest)]
    else:
        pooling = len(rest)
        blocks = [*blocks[:-1], as_block([*blocks[-1].named_children(), *rest])]
    return FeatureCut(
        blocks=blocks, names=tuple(names), taps=(), channels=(), strides=(), parts=(), channels_last=False,
        num_features=width, pooling=pooling,
    )  # fmt: skip


def _tail_name(rest: list[Leaf]) -> str:
    name = largest(rest)
    if name == "head":
        # It would be taken for the new head, which is not in the encoder.
        name = largest(list(dict(rest)[name].named_children()))
    return "tail" if name in ("head", "classifier") else name
