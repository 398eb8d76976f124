"""Encoders whose BatchNorms are known, and images for them."""

import numpy as np
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from medgraft.models import Encoder, Normalise
from medgraft.models.decompose import Cut


def chain(*blocks: nn.Module, channels: int = 3) -> Encoder:
    """An encoder of these blocks on images as they are in [0, 1]; the last gives [B, D, 1, 1]."""
    names = tuple(f"block {number}" for number in range(len(blocks)))
    parts = Cut(list(blocks), names, (len(blocks) - 1,), (channels,), (1,), (), channels_last=False)
    return Encoder("chain", parts, Normalise((0.0,) * channels, (1.0,) * channels), channels, (0.0,), (1.0,))


def norm(mean, variance, scale=1.0, eps=0.0) -> nn.BatchNorm2d:
    """A BatchNorm of three channels with these statistics, and a scale and shift that must play no part."""
    made = nn.BatchNorm2d(3, eps=eps)
    made.running_mean.copy_(torch.tensor(mean))
    made.running_var.copy_(torch.tensor(variance))
    nn.init.constant_(made.weight, scale)
    nn.init.constant_(made.bias, 0.0)
    return made


def network() -> Encoder:
    """Two convolutions, each with a BatchNorm of random statistics; the second norm is of timm's kind."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    second = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.Dropout(0.5), BatchNormAct2d(8))
    for layer in (first[1], second[2]):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.1, 0.5)
    return chain(first, second, channels=3)


def pictures(count: int, seed: int = 0, size: int = 32, channels: int = 3) -> np.ndarray:
    """Random images, each of a brightness of its own."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 200, (count, 1, 1, channels))
    return (base + rng.integers(0, 56, (count, size, size, channels))).astype(np.uint8)
