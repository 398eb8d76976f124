"""The resize of :func:`medgraft.data.resize_image` in PyTorch, for images whose sides are known only when they come."""

from __future__ import annotations

import torch
from torch import Tensor


def resized(images: Tensor, size: int, whole: bool) -> Tensor:
    """Bring images [B, C, H, W] to [B, C, size, size], an axis at a time, each as a matrix.

    A side that shrinks is averaged over areas, one that grows is interpolated linearly. OpenCV, which the training
    uses, does the latter in fixed point and rounds between the two sides; so a value may differ by one grey level.

    Parameters
    ----------
    whole : round to whole numbers, as images of 8 bits are.
    """
    height, width = images.shape[2:]
    # What a tracer sees of a side becomes a number that holds for one image alone, so sides are counted.
    steps = [torch.ones_like(line).sum() / size for line in (images[0, 0, :, 0], images[0, 0, 0, :])]
    rows, columns = _weights(height, size, steps[0], images), _weights(width, size, steps[1], images)
    values = rows @ images @ columns.transpose(0, 1)
    if not whole:
        return values
    # OpenCV rounds halves to even, but up where it averages 2 x 2 pixels.
    return torch.where((steps[0] == 2) & (steps[1] == 2), (values + 0.5).floor(), values.round())


def _weights(side: int, size: int, step: Tensor, images: Tensor) -> Tensor:
    """[size, side]: how much each pixel of a side counts in each of the result."""
    pixels = torch.arange(side, device=images.device).to(images.dtype)
    targets = torch.arange(size, device=images.device).to(images.dtype)[:, None]
    start, end = targets * step, (targets + 1) * step
    areas = (torch.minimum(pixels + 1, end) - torch.maximum(pixels, start)).clamp(min=0) / step
    last = pixels[-1]
    centres = torch.minimum(((targets + 0.5) * step - 0.5).clamp(min=0), last)
    linear = (1 - (pixels - centres).abs()).clamp(min=0)
    return torch.where(step >= 1, areas, linear)
