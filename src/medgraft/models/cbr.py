"""The CBR family: small convolutional encoders for medical images, of random weights only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from timm.models import PretrainedCfg
from torch import Tensor, nn


@dataclass(frozen=True)
class CbrPlan:
    """One member of the family: the side of its kernels, its widths, and whether the last stage is pooled."""

    kernel: int
    widths: tuple[int, ...]
    last_pool: bool = True


CBR_ENCODERS: dict[str, CbrPlan] = {
    "cbr_larget": CbrPlan(7, (32, 64, 128, 256, 512), last_pool=False),
    "cbr_largew": CbrPlan(7, (64, 128, 256, 512)),
    "cbr_small": CbrPlan(7, (32, 64, 128, 256)),
    "cbr_tiny": CbrPlan(5, (64, 128, 256, 512)),
    "cbr_tiny_narrow": CbrPlan(5, (32, 64, 128, 256)),
}
"""The members by name."""


class CBR(nn.Module):
    """Stages of convolution, BatchNorm, ReLU and max-pool, then a global average (Raghu et al. 2019).

    "Transfusion: Understanding Transfer Learning for Medical Imaging", arXiv:1902.07208. Convolutions keep the size
    and have no bias, since BatchNorm has one; the pools are 3x3 with stride 2. The sources disagree about the widths
    of Tiny: the appendix prints 64-128-256-512 (here ``cbr_tiny``), while the number of parameters in the paper's
    table is that of 32-64-128-256 (``cbr_tiny_narrow``). The numbers of that table, which the tests reproduce for
    the other four, count the kernels behind the first stage and a final layer of 5 classes.

    Parameters
    ----------
    plan
        One of :data:`CBR_ENCODERS`.
    in_channels
        Planes of the images.

    Attributes
    ----------
    num_features : int
        Width of the pooled features.
    """

    def __init__(self, plan: CbrPlan, in_channels: int = 3) -> None:
        super().__init__()
        self.num_features = plan.widths[-1]
        before = (in_channels, *plan.widths)
        for number, width in enumerate(plan.widths, 1):
            pooled = number < len(plan.widths) or plan.last_pool
            self.add_module(f"conv{number}", _stage(before[number - 1], width, plan.kernel, pooled))
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, in_channels, H, W] to pooled features [B, num_features]."""
        for stage in self.children():
            images = stage(images)
        return images


def _stage(in_channels: int, width: int, kernel: int, pooled: bool) -> nn.Sequential:
    parts: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(in_channels, width, kernel, padding=kernel // 2, bias=False)),
        ("bn", nn.BatchNorm2d(width)),
        ("act", nn.ReLU(inplace=True)),
    ]
    if pooled:
        parts.append(("pool", nn.MaxPool2d(3, stride=2, padding=1)))
    return nn.Sequential(OrderedDict(parts))


def cbr_config() -> Any:
    """What timm would know of a member of the family: its first layer and statistics, and of no weights."""
    half = (0.5, 0.5, 0.5)
    return PretrainedCfg(mean=half, std=half, first_conv="conv1.conv", num_classes=0)
