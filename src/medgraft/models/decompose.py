"""Cutting a timm model into blocks that run one after the other and end where its pyramid is tapped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.errors import RecipeError

Leaf = tuple[str, nn.Module]


@dataclass(frozen=True)
class Cut:
    """A model as a chain of blocks.

    ``taps`` are the blocks whose output is a level of the pyramid, from fine to coarse; the last block is one
    of them. ``parts`` names the submodules of the model that the blocks were made of.
    """

    blocks: list[nn.Sequential]
    names: tuple[str, ...]
    taps: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    parts: tuple[str, ...]
    channels_last: bool


def cut(model: nn.Module, name: str, image: Tensor | None = None) -> Cut:
    """Cut a full timm model by its ``feature_info``.

    A block ends at every level of the pyramid, and every numbered stage is a block of its own, so that
    EfficientNet gives stem, blocks.0 .. blocks.6 and ResNet gives stem, layer1 .. layer4.

    Parameters
    ----------
    model, name
        The model, and what messages call it.
    image
        What the cut is tried with, :func:`probe_image` by default.

    Raises
    ------
    RecipeError
        When the model has no pyramid, or is no plain chain of its parts up to the coarsest level.
    """
    levels = levels_of(model, name)
    leaves, _ = leaves_of(model, {level["module"] for level in levels})
    if any(level["module"] not in dict(leaves) for level in levels):
        raise RecipeError(_refusal(name))
    groups = _groups(leaves, {level["module"] for level in levels})
    ends = [group[-1][0] for group in groups]
    result = Cut(
        blocks=[as_block(group) for group in groups],
        names=("stem" if _is_stem(groups[0]) else largest(groups[0]), *(largest(group) for group in groups[1:])),
        taps=tuple(ends.index(level["module"]) for level in levels),
        channels=tuple(int(level["num_chs"]) for level in levels),
        strides=tuple(int(level["reduction"]) for level in levels),
        parts=tuple(leaf for leaf, _ in leaves),
        channels_last=getattr(model, "output_fmt", "NCHW") == "NHWC",
    )
    image = probe_image() if image is None else image
    _check(model, result, [level["module"] for level in levels], name, image)
    return result


def probe_image(planes: int = 3, side: int = 64) -> Tensor:
    """Two normalised images of noise, [2, planes, side, side], on which a cut and its model are compared."""
    return torch.randn(2, planes, side, side, generator=torch.Generator().manual_seed(0))


@contextmanager
def stirred(model: nn.Module) -> Iterator[None]:
    """Eval mode, and numbers of about a half in place of those that start at 0 or 1, inside the block.

    A residual branch that starts at 0, as many do, would otherwise be left out of a comparison. Random numbers are
    drawn from a generator of its own.
    """
    generator = torch.Generator().manual_seed(0)
    floats = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point() and tensor.numel()]
    plain = [tensor for tensor in floats if tensor.ndim <= 1 or tensor.abs().max() < 1e-3]
    before = [tensor.clone() for tensor in plain]
    was_training = model.training
    model.eval()
    try:
        for tensor in plain:
            tensor.uniform_(0.25, 0.75, generator=generator)
        yield
    finally:
        for tensor, values in zip(plain, before, strict=True):
            tensor.copy_(values)
        model.train(was_training)


def close(found: Tensor, truth: Tensor) -> bool:
    """Whether two finite results are the same up to rounding."""
    if found.shape != truth.shape or not torch.isfinite(truth).all():
        return False
    return bool((found - truth).abs().max() <= 1e-5 * max(1.0, float(truth.abs().max())))


def as_block(group: Sequence[Leaf]) -> nn.Sequential:
    """The parts one after the other, under their names in the model (with ``_`` for each dot)."""
    return nn.Sequential(OrderedDict((name.replace(".", "_"), module) for name, module in group))


def _refusal(name: str) -> str:
    return (
        f"encoder {name!r} is no plain chain of blocks with a feature pyramid, so it cannot be used here; "
        "choose one such as tf_efficientnet_lite0, resnet50, densenet121, convnext_tiny."
    )


def levels_of(model: nn.Module, name: str) -> list[dict[str, Any]]:
    """What timm tells of each level of a model's pyramid; raises RecipeError where there is none."""
    info = getattr(model, "feature_info", None)
    levels: list[dict[str, Any]] = list(getattr(info, "info", info) or [])
    strides = [level.get("reduction", 0) for level in levels]
    if len(levels) < 2 or sorted(set(strides)) != strides or not all(level.get("module") for level in levels):
        raise RecipeError(_refusal(name))
    return levels


def leaves_of(model: nn.Module, taps: set[str]) -> tuple[list[Leaf], list[Leaf]]:
    """Submodules in running order, up to the last of ``taps`` and behind it.

    Containers of a tap are opened, all others are kept whole.
    """
    leaves: list[Leaf] = []

    def walk(module: nn.Module, prefix: str) -> None:
        for child_name, child in module.named_children():
            path = prefix + child_name
            if path not in taps and any(tap.startswith(path + ".") for tap in taps):
                walk(child, path + ".")
            else:
                leaves.append((path, child))

    walk(model, "")
    end = max((i for i, (path, _) in enumerate(leaves, 1) if path in taps), default=0)
    return leaves[:end], leaves[end:]


def _groups(leaves: list[Leaf], taps: set[str]) -> list[list[Leaf]]:
    groups: list[list[Leaf]] = []
    current: list[Leaf] = []
    for leaf in leaves:
        numbered = leaf[0].rpartition(".")[2].isdigit()
        if numbered and current:
            groups.append(current)
            current = []
        current.append(leaf)
        if numbered or leaf[0] in taps:
            groups.append(current)
            current = []
    return groups


def largest(group: Sequence[Leaf]) -> str:
    """The name of the part with most parameters."""
    return max(group, key=lambda leaf: count_parameters(leaf[1]))[0]


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module can learn."""
    return sum(parameter.numel() for parameter in module.parameters())


def _is_stem(group: Sequence[Leaf]) -> bool:
    """Whether a first block begins with a bare convolution."""
    first = group[0][0].rpartition(".")[2].lower()
    return first.startswith(("conv", "stem", "patch_embed")) or isinstance(dict(group)[largest(group)], nn.Conv2d)


def _check(model: Any, result: Cut, modules: list[str], name: str, image: Tensor) -> None:
    """Run the model itself once, tiny, and compare: one that does more than chain its parts is refused."""
    seen: dict[str, Tensor] = {}

    def keep(module_name: str) -> Any:
        return lambda _module, _inputs, output: seen.__setitem__(module_name, output.clone())

    hooks = [model.get_submodule(module).register_forward_hook(keep(module)) for module in modules]
    try:
        with stirred(model), torch.no_grad():
            model.forward_features(image)
            expected = [seen[module] for module in modules]
            outputs = []
            for block in result.blocks:
                image = block(image)
                outputs.append(image.clone())
    except (RuntimeError, TypeError, KeyError, AttributeError, AssertionError):
        raise RecipeError(_refusal(name)) from None
    finally:
        for hook in hooks:
            hook.remove()
    if not all(close(outputs[tap], truth) for tap, truth in zip(result.taps, expected, strict=True)):
        raise RecipeError(_refusal(name))
