"""The sums behind the losses of overlap: intersection, prediction and truth of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from medgraft.errors import RecipeError
from medgraft.losses.base import Mode, SegmentationLoss

Per = Literal["image", "batch"]


@dataclass(frozen=True)
class Overlap:
    """Sums over pixels, each of shape [B, C] (per image) or [1, C] (per batch).

    Attributes
    ----------
    shared : sum of probability where the truth is the class.
    predicted : sum of probability.
    true : number of pixels of the class.
    pixels : number of pixels that were summed.
    """

    shared: Tensor
    predicted: Tensor
    true: Tensor
    pixels: int


def binary_overlap(logits: Tensor, target: Tensor) -> Overlap:
    """Per-image sums of one foreground class; both are [B, 1, H, W] float32."""
    probability, truth = logits.sigmoid().flatten(2), target.flatten(2)
    # A product of vectors writes no temporary as large as the images, forward or backward.
    shared = torch.linalg.vecdot(probability, truth)
    return Overlap(shared, probability.sum(-1), truth.sum(-1), truth.shape[-1])


def multiclass_overlap(logits: Tensor, target: Tensor) -> Overlap:
    """Per-image sums of every class; logits are [B, C, H, W] float32, target [B, H, W] int64."""
    probability = logits.softmax(1).flatten(2)
    classes = torch.arange(logits.shape[1], device=target.device)
    truth = (target.flatten(1).unsqueeze(1) == classes.unsqueeze(-1)).to(probability.dtype)
    shared = torch.linalg.vecdot(probability, truth)
    return Overlap(shared, probability.sum(-1), truth.sum(-1), truth.shape[-1])


class OverlapLoss(SegmentationLoss):
    """A loss that falls with the overlap of prediction and truth.

    Parameters
    ----------
    mode : ``"binary"`` (the foreground alone counts) or ``"multiclass"`` (the mean over all classes,
        background included).
    smooth : pixels added above and below the fraction, so that small structures do not divide by almost
        nothing.
    per : ``"image"``: one fraction an image, then the mean, so two half batches average to the whole batch;
        ``"batch"``: sums run over the batch first, which lets large structures outweigh small ones.

    Raises
    ------
    RecipeError
        If ``smooth`` is not above 0 or ``per`` is neither of the two.
    """

    def __init__(self, mode: Mode = "binary", smooth: float = 1.0, per: Per = "image") -> None:
        super().__init__(mode)
        if not smooth > 0:
            raise RecipeError(f"loss smooth: a number above 0 is wanted (got {smooth}).")
        if per not in get_args(Per):
            raise RecipeError(f"loss per: image or batch is wanted (got {per!r}).")
        self.smooth = smooth
        self.per = per

    def sums(self, logits: Tensor, target: Tensor) -> Overlap:
        """Return the sums per image, or over the batch."""
        overlap = binary_overlap if self.mode == "binary" else multiclass_overlap
        sums = overlap(logits, target)
        if self.per == "image":
            return sums
        shared, predicted, true = (each.sum(0, keepdim=True) for each in (sums.shared, sums.predicted, sums.true))
        return Overlap(shared, predicted, true, sums.pixels * logits.shape[0])

    def extra_repr(self) -> str:
        """Options, as ``print(loss)`` shows them."""
        return f"mode={self.mode!r}, smooth={self.smooth}, per={self.per!r}"
