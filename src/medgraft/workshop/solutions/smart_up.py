"""A decoder block that meets any skip at its own size."""

import torch
from torch import nn
from torch.nn import functional as F


class SmartUp(nn.Module):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x, skip=None):
        if skip is None:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        else:
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = torch.cat([x, skip], dim=1)
        return self.mix(x)
