"""U-Net of DoubleConv, Down and Up."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Down(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))


class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.mix = DoubleConv(2 * out_channels, out_channels)

    def forward(self, coarse, skip):
        fine = self.up(coarse)
        rows = skip.shape[-2] - fine.shape[-2]
        columns = skip.shape[-1] - fine.shape[-1]
        fine = F.pad(fine, (0, columns, 0, rows))  # left, right, top, bottom
        return self.mix(torch.cat([skip, fine], dim=1))


class UNet(nn.Module):
    def __init__(self, in_channels, classes, widths=(16, 32, 64, 128)):
        super().__init__()
        pairs = list(pairwise(widths))
        self.first = DoubleConv(in_channels, widths[0])
        self.downs = nn.ModuleList(Down(fine, coarse) for fine, coarse in pairs)
        self.ups = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(pairs))
        self.head = nn.Conv2d(widths[0], classes, kernel_size=1)

    def forward(self, x):
        skips = [self.first(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)
