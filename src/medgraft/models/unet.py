"""UNet: the plain baseline without a pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.models.normalise import Normalise


class DoubleConv(nn.Sequential):
    """Convolution 3x3, BatchNorm, ReLU, twice; [B, in, H, W] to [B, out, H, W].

    The convolutions have no bias, since the BatchNorm after each brings one.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Down(nn.Sequential):
    """Max-pool 2x2, then :class:`DoubleConv`; [B, in, H, W] to [B, out, H // 2, W // 2]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))


class Up(nn.Module):
    """Transposed convolution 2x2, zero-padded to the skip's size, concatenated with it, then DoubleConv."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.mix = DoubleConv(2 * out_channels, out_channels)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return [B, out, H, W] from coarse [B, in, H // 2, W // 2] and skip [B, out, H, W]."""
        fine = self.up(coarse)
        rows, columns = skip.shape[-2] - fine.shape[-2], skip.shape[-1] - fine.shape[-1]
        fine = F.pad(fine, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        mixed: Tensor = self.mix(torch.cat([skip, fine], dim=1))
        return mixed


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with padding and batch normalisation.

    Parameters
    ----------
    in_channels
        Channels of the images.
    classes
        Channels of the logits: 1 for a binary mask, else one for each class with background.
    widths
        Channels at each resolution, fine to coarse. The default has 31.0 M parameters.
    mean, std
        Statistics of the images by channel, in [0, 1]; without them images go in as they are.

    Attributes
    ----------
    encoder : None
        There is none: nothing here is pretrained.
    """

    encoder = None

    def __init__(
        self,
        in_channels: int = 3,
        classes: int = 1,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.classes = in_channels, classes
        self.normalise = Normalise(mean or (0.0,) * in_channels, std or (1.0,) * in_channels)
        self.first = DoubleConv(in_channels, widths[0])
        pairs = list(pairwise(widths))
        self.downs = nn.ModuleList(Down(fine, coarse) for fine, coarse in pairs)
        self.ups = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(pairs))
        self.head = nn.Conv2d(widths[0], classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] in [0, 1] to logits [B, classes, H, W], for H and W of at least 32."""
        skips = [self.first(self.normalise(images))]
        for down in self.downs:
            skips.append(down(skips[-1]))
        hidden = skips.pop()
        for up in self.ups:
            hidden = up(hidden, skips.pop())
        logits: Tensor = self.head(hidden)
        return logits
