"""The encoders that the tests build, freeze, save, reload and feed with grey images."""

from __future__ import annotations

from medgraft.models.cbr import CBR_ENCODERS

TESTED_ENCODERS: tuple[str, ...] = (
    "resnet18",
    "resnet50",
    "vgg16",
    "inception_v3",
    "densenet121",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "convnext_tiny",
    "deit_small_patch16_224",
    "swin_tiny_patch4_window7_224",
    "vit_small_patch16_224",
    *CBR_ENCODERS,
)
"""Encoders for classification that are tested one by one; others of timm's are built and checked in the same way."""
