"""Twice the size, beside the skip, then two convolutions."""

import torch
from torch import nn
from torch.nn import functional as F

from medgraft.workshop.solutions.double_conv import DoubleConv


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
