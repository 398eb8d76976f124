"""A U-Net whose contracting half is an encoder."""

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

    def forward(self, x, skip):
        x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
        return self.mix(torch.cat([x, skip], dim=1))


class EncoderUNet(nn.Module):
    def __init__(self, encoder, classes, widths=(64, 32, 16, 16)):
        super().__init__()
        self.encoder = encoder
        self.ups = nn.ModuleList()
        channels, *skips = reversed(encoder.channels)
        for skip, width in zip(skips, widths, strict=True):
            self.ups.append(SmartUp(channels, skip, width))
            channels = width
        self.head = nn.Conv2d(channels, classes, 1)

    def forward(self, images):
        x, *skips = reversed(self.encoder.forward_pyramid(images))
        for up, skip in zip(self.ups, skips, strict=True):
            x = up(x, skip)
        return F.interpolate(self.head(x), size=images.shape[-2:], mode="bilinear")
