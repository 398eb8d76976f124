"""Cutting a timm model into blocks that run one after the other and end where its pyramid is tapped."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.errors import RecipeError


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


def cut(model: nn.Module, name: str) -> Cut:
    """Cut a full timm model by its ``feature_info``.

    A block ends at every level of the pyramid, and every numbered stage is a block of its own, so that
    EfficientNet gives stem, blocks.0 .. blocks.6 and ResNet gives stem, layer1 .. layer4.

    Raises
    ------
    RecipeError
        When the model has no pyramid, or is no plain chain of its parts up to the coarsest level.
    """
    levels = _levels(model, name)
    leaves = _leaves(model, {level["module"] for level in levels})
    found = {leaf for leaf, _ in leaves}
    if any(level["module"] not in found for level in levels):
        raise RecipeError(_refusal(name))
    groups = _groups(leaves, {level["module"] for level in levels})
    ends = [group[-1][0] for group in groups]
    result = Cut(
        blocks=[nn.Sequential(OrderedDict((n.replace(".", "_"), m) for n, m in group)) for group in groups],
        names=tuple(_block_name(group) for group in groups),
        taps=tuple(ends.index(level["module"]) for level in levels),
        channels=tuple(int(level["num_chs"]) for level in levels),
        strides=tuple(int(level["reduction"]) for level in levels),
        parts=tuple(leaf for leaf, _ in leaves),
        channels_last=getattr(model, "output_fmt", "NCHW") == "NHWC",
    )
    _check(model, result, [level["module"] for level in levels], name)
    return result


def _refusal(name: str) -> str:
    return (
        f"encoder {name!r} is no plain chain of blocks with a feature pyramid, so it cannot be used here; "
        "choose one such as tf_efficientnet_lite0, resnet50, densenet121, convnext_tiny."
    )


def _levels(model: nn.Module, name: str) -> list[dict[str, Any]]:
    info = getattr(model, "feature_info", None)
    levels: list[dict[str, Any]] = list(getattr(info, "info", info) or [])
    strides = [level.get("reduction", 0) for level in levels]
    if len(levels) < 2 or sorted(set(strides)) != strides or not all(level.get("module") for level in levels):
        raise RecipeError(_refusal(name))
    return levels


def _leaves(model: nn.Module, taps: set[str]) -> list[tuple[str, nn.Module]]:
    """Submodules in running order: containers of a tap are opened, all others are kept whole."""
    leaves: list[tuple[str, nn.Module]] = []
    left = set(taps)

    def walk(module: nn.Module, prefix: str) -> None:
        for child_name, child in module.named_children():
            path = prefix + child_name
            if not left:
                return
            if path not in taps and any(tap.startswith(path + ".") for tap in taps):
                walk(child, path + ".")
            else:
                leaves.append((path, child))
                left.discard(path)

    walk(model, "")
    return leaves


def _groups(leaves: list[tuple[str, nn.Module]], taps: set[str]) -> list[list[tuple[str, nn.Module]]]:
    groups: list[list[tuple[str, nn.Module]]] = []
    current: list[tuple[str, nn.Module]] = []
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


def _block_name(group: list[tuple[str, nn.Module]]) -> str:
    """The name of the part with most parameters; what begins with a bare first convolution is the stem."""
    largest, module = max(group, key=lambda leaf: sum(p.numel() for p in leaf[1].parameters()))
    first = group[0][0].rpartition(".")[2]
    is_stem = first.startswith(("conv", "stem", "patch_embed")) or isinstance(module, nn.Conv2d)
    return "stem" if is_stem else largest


def _check(model: Any, result: Cut, modules: list[str], name: str) -> None:
    """Run the model itself once, tiny, and compare: one that does more than chain its parts is refused."""
    seen: dict[str, Tensor] = {}

    def keep(module_name: str) -> Any:
        return lambda _module, _inputs, output: seen.__setitem__(module_name, output.clone())

    image = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    was_training = model.training
    model.eval()
    hooks = [model.get_submodule(module).register_forward_hook(keep(module)) for module in modules]
    try:
        with torch.no_grad():
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
        model.train(was_training)
    if not all(
        torch.allclose(outputs[tap], truth, atol=1e-5, equal_nan=True)
        for tap, truth in zip(result.taps, expected, strict=True)
    ):
        raise RecipeError(_refusal(name))
