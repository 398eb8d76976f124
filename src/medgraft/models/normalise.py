"""Normalisation by an encoder's own statistics, as the first thing a model does with an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Subtract a mean and divide by a standard deviation, channel by channel.

    Parameters
    ----------
    mean, std
        One value a channel, in units of images scaled to [0, 1].

    Raises
    ------
    ValueError
        When the two differ in length, or a standard deviation is not above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean or min(std) <= 0:
            raise ValueError(f"mean {tuple(mean)} and std {tuple(std)} want equal lengths and std above 0")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] in [0, 1] to normalised images of the same shape."""
        return (images - self.mean) / self.std


class NormaliseWithOnes(Normalise):
    """Normalise, then append a plane of ones as the last channel: [B, C, H, W] to [B, C + 1, H, W].

    A convolution over the added plane is a bias that knows where the zero padding begins. It is what makes
    the grey form of a colour encoder exact at the border when the colour statistics differ by channel.
    """

    def forward(self, images: Tensor) -> Tensor:
        normalised = super().forward(images)
        return torch.cat([normalised, torch.ones_like(normalised[:, :1])], dim=1)
