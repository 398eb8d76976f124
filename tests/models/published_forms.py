"""State dicts as publishers write them, made from timm's names by hand: keys in their own words."""

from __future__ import annotations

import re

import torch


def _as_sequential(names):
    return lambda state: {
        f"backbone.{number}.{key.removeprefix(name + '.')}": tensor
        for key, tensor in state.items()
        for number, name in names.items()
        if key.startswith(name + ".")
    }


def _split_qkv(state):
    """One layer for queries, keys and values becomes three."""
    split = {}
    for key, tensor in state.items():
        if ".attn.qkv." in key:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                split[key.replace("qkv", part)] = third
        else:
            split[key] = tensor
    return split


def as_transformers_vit(state):
    """transformers' names for a ViT (ViTModel), or with layer scales for a DINOv2 (Dinov2Model)."""
    dinov2 = any(".ls1." in key for key in state)
    words = [
        (r"^cls_token$", "embeddings.cls_token"),
        (r"^pos_embed$", "embeddings.position_embeddings"),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^norm\.", "layernorm."),
        (r"^blocks\.(\d+)\.attn\.(query|key|value)\.", r"encoder.layer.\1.attention.attention.\2."),
        (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
        (r"^blocks\.(\d+)\.ls(\d)\.gamma", r"encoder.layer.\1.layer_scale\2.lambda1"),
        (r"^blocks\.(\d+)\.norm1\.", r"encoder.layer.\1." + ("norm1." if dinov2 else "layernorm_before.")),
        (r"^blocks\.(\d+)\.norm2\.", r"encoder.layer.\1." + ("norm2." if dinov2 else "layernorm_after.")),
        (r"^blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1." + ("mlp.fc1." if dinov2 else "intermediate.dense.")),
        (r"^blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1." + ("mlp.fc2." if dinov2 else "output.dense.")),
    ]
    named = {}
    for key, tensor in _split_qkv(state).items():
        for pattern, replacement in words:
            key = re.sub(pattern, replacement, key)
        named[key] = tensor
    return named | {"pooler.dense.weight": torch.zeros(2, 2), "embeddings.mask_token": torch.zeros(1)}


def _earlier_downsampling(state):
    return {
        re.sub(r"^layers\.(\d+)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key): tensor
        for key, tensor in state.items()
    }


def _as_transformers_swin(state):
    words = [
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^patch_embed\.norm\.", "embeddings.norm."),
        (r"^norm\.", "layernorm."),
        (r"^layers\.", "encoder.layers."),
        (r"\.attn\.(query|key|value)\.", r".attention.self.\1."),
        (r"\.attn\.relative_position_bias_table", ".attention.self.relative_position_bias_table"),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"\.mlp\.fc1\.", ".intermediate.dense."),
        (r"\.mlp\.fc2\.", ".output.dense."),
    ]
    named = {}
    for key, tensor in _split_qkv(_earlier_downsampling(state)).items():
        for pattern, replacement in words:
            key = re.sub(pattern, replacement, key)
        named["vision_model.model." + key] = tensor
    table = "vision_model.model.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    return named | {table: torch.zeros(49, 49), "text_model.projection_head.weight": torch.zeros(2)}


def _as_old_swin(state):
    buffers = {"layers.0.blocks.1.attn_mask": torch.zeros(2), "layers.0.blocks.0.attn.relative_position_index": None}
    return _earlier_downsampling(state) | {key: torch.zeros(2) for key in buffers} | {"head.weight": torch.zeros(3)}


def _under(prefix, other):
    return lambda state: {prefix + key: tensor for key, tensor in state.items()} | {other: torch.zeros(2)}


_STAGES = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
_INCEPTION = {0: "Conv2d_1a_3x3", 1: "Conv2d_2a_3x3", 2: "Conv2d_2b_3x3", 4: "Conv2d_3b_1x1", 5: "Conv2d_4a_3x3",
              7: "Mixed_5b", 8: "Mixed_5c", 9: "Mixed_5d", 10: "Mixed_6a", 11: "Mixed_6b", 12: "Mixed_6c",
              13: "Mixed_6d", 14: "Mixed_6e", 15: "Mixed_7a", 16: "Mixed_7b", 17: "Mixed_7c"}  # fmt: skip

PUBLISHED = {
    "timm": dict,
    "torchvision": dict,
    "torchvision resnet50 by number": _as_sequential({number: name for name, number in _STAGES.items()}),
    "torchvision densenet121 by number": _as_sequential({0: "features"}),
    "torchvision inception_v3 by number": _as_sequential(_INCEPTION),
    "open_clip": _under("visual.trunk.", "text.transformer.embeddings.word_embeddings.weight"),
    "transformers vit": as_transformers_vit,
    "medclip resnet50": _under("vision_model.model.", "text_model.projection_head.weight"),
    "medclip swin": _as_transformers_swin,
    "biovil": _under("encoder.encoder.", "projector.model.0.weight"),
    "old swin": _as_old_swin,
}
