"""From the names that publishers give their tensors to timm's, one table of rules for each form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from medgraft.errors import WeightsError

Rules = tuple[tuple[str, str], ...]

_WRAPPER = "module."
"""What nn.DataParallel puts before all names."""


@dataclass(frozen=True)
class Form:
    """How a published file names its tensors.

    ``prefix`` stands before the names of the image encoder; tensors without it (the text encoder, projections)
    are left out. ``rules`` are pairs of a regular expression for a whole name and its replacement; the first
    that fits holds, and a tensor that fits none is left out. Without rules the names are timm's already.
    """

    about: str
    prefix: str = ""
    rules: Rules = ()


_VIT_BLOCK = r"encoder\.layer\.(\d+)\."

_TRANSFORMERS_VIT: Rules = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
    (_VIT_BLOCK + r"attention\.attention\.(query|key|value)\.(.+)", r"blocks.\1.attn.\2.\3"),
    (_VIT_BLOCK + r"attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
    # ViTModel
    (_VIT_BLOCK + r"layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (_VIT_BLOCK + r"layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (_VIT_BLOCK + r"intermediate\.dense\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (_VIT_BLOCK + r"output\.dense\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    # Dinov2Model
    (_VIT_BLOCK + r"(norm[12]|mlp\.fc[12])\.(.+)", r"blocks.\1.\2.\3"),
    (_VIT_BLOCK + r"layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    (_VIT_BLOCK + r"mlp\.weights_in\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (_VIT_BLOCK + r"mlp\.weights_out\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (r"layernorm\.(.+)", r"norm.\1"),
)

_SWIN_BLOCK = r"encoder\.layers\.(\d+)\.blocks\.(\d+)\."

_TRANSFORMERS_SWIN: Rules = (
    (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
    (r"embeddings\.norm\.(.+)", r"patch_embed.norm.\1"),
    (_SWIN_BLOCK + r"attention\.self\.(query|key|value)\.(.+)", r"layers.\1.blocks.\2.attn.\3.\4"),
    (
        _SWIN_BLOCK + r"attention\.self\.relative_position_bias_table",
        r"layers.\1.blocks.\2.attn.relative_position_bias_table",
    ),
    (_SWIN_BLOCK + r"attention\.output\.dense\.(.+)", r"layers.\1.blocks.\2.attn.proj.\3"),
    (_SWIN_BLOCK + r"layernorm_before\.(.+)", r"layers.\1.blocks.\2.norm1.\3"),
    (_SWIN_BLOCK + r"layernorm_after\.(.+)", r"layers.\1.blocks.\2.norm2.\3"),
    (_SWIN_BLOCK + r"intermediate\.dense\.(.+)", r"layers.\1.blocks.\2.mlp.fc1.\3"),
    (_SWIN_BLOCK + r"output\.dense\.(.+)", r"layers.\1.blocks.\2.mlp.fc2.\3"),
    (r"encoder\.layers\.(\d+)\.downsample\.(.+)", r"layers.\1.downsample.\2"),
    (r"layernorm\.(.+)", r"norm.\1"),
)

_OLD_SWIN: Rules = (
    (r"(?!.*(?:attn_mask|relative_position_index))((?:patch_embed|layers|norm)\..+)", r"\1"),
)  # fmt: skip


def _children(names: Mapping[int, str]) -> Rules:
    """Rules for ``nn.Sequential(*model.children())``, where numbers stand for torchvision's names."""
    return tuple((rf"{number}\.(.+)", rf"{name}.\1") for number, name in names.items())


_RESNET = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}
_INCEPTION_MIXED = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_INCEPTION = {
    0: "Conv2d_1a_3x3",
    1: "Conv2d_2a_3x3",
    2: "Conv2d_2b_3x3",
    4: "Conv2d_3b_1x1",
    5: "Conv2d_4a_3x3",
    **{number: f"Mixed_{name}" for number, name in enumerate(_INCEPTION_MIXED, start=7)},
}

FORMS: dict[str, Form] = {
    "timm": Form("a state dict with timm's names"),
    "torchvision": Form("a state dict with torchvision's names, which are timm's"),
    "torchvision resnet50 by number": Form(
        "torchvision's resnet50 as nn.Sequential of its children", "backbone.", _children(_RESNET)
    ),
    "torchvision densenet121 by number": Form(
        "torchvision's densenet121 as nn.Sequential of its children", "backbone.", _children({0: "features"})
    ),
    "torchvision inception_v3 by number": Form(
        "torchvision's inception_v3 as nn.Sequential of its children", "backbone.", _children(_INCEPTION)
    ),
    "open_clip": Form("an open_clip model whose image tower is timm's", "visual.trunk."),
    "transformers vit": Form("transformers' ViTModel or Dinov2Model", "", _TRANSFORMERS_VIT),
    "medclip resnet50": Form("a MedCLIP model with torchvision's resnet50", "vision_model.model."),
    "medclip swin": Form("a MedCLIP model with transformers' SwinModel", "vision_model.model.", _TRANSFORMERS_SWIN),
    "biovil": Form("a BioViL image model with torchvision's resnet50", "encoder.encoder."),
    "old swin": Form("timm's Swin Transformer as it was before 2023", "", _OLD_SWIN),
}


def translate(form: str, state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Give the tensors of a published file timm's names.

    Parameters
    ----------
    form
        One of :data:`FORMS`.
    state
        Tensors by their published names.
    source
        The file in words, for the message.

    Raises
    ------
    WeightsError
        When no tensor is named as the form says.
    """
    known = FORMS[form]
    renamed = _renamed(_inside(state, known.prefix), known.rules)
    if not renamed:
        first = next(iter(state), "nothing")
        raise WeightsError(
            f"{source}: not the published file of these weights ({known.about}); its first tensor is {first!r}."
        )
    return _joined(_stages_begin_with_downsampling(renamed))


def _inside(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    if all(name.startswith(_WRAPPER) for name in state):
        state = {name.removeprefix(_WRAPPER): tensor for name, tensor in state.items()}
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _renamed(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Apply the rules; a file that has timm's names already, as some publish beside the other, stays as it is."""
    if not rules or "blocks.0.attn.qkv.weight" in state:
        return dict(state)
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            found = re.fullmatch(pattern, name)
            if found:
                renamed[found.expand(replacement)] = tensor
                break
    return renamed


def _stages_begin_with_downsampling(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Elsewhere a stage of Swin ends with the merging of patches; in timm the next one begins with it."""
    if not any(name.startswith("layers.0.downsample.") for name in state):
        return dict(state)
    return {
        re.sub(r"^layers\.(\d+)\.downsample\.", lambda found: f"layers.{int(found[1]) + 1}.downsample.", name): tensor
        for name, tensor in state.items()
    }


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put the projections to queries, keys and values one above the other, as timm has them in one layer."""
    joined: dict[str, Tensor] = {}
    for name, tensor in state.items():
        apart = re.fullmatch(r"(.+\.attn)\.(query|key|value)\.(weight|bias)", name)
        if apart is None:
            joined[name] = tensor
        elif apart[2] == "query":
            parts = [state.get(f"{apart[1]}.{part}.{apart[3]}") for part in ("query", "key", "value")]
            if all(part is not None for part in parts):
                joined[f"{apart[1]}.qkv.{apart[3]}"] = torch.cat([part for part in parts if part is not None])
    return joined
