"""Dice loss."""

from __future__ import annotations

import torch
from torch import Tensor

from medgraft.losses.overlap import OverlapLoss
from medgraft.losses.registry import register


@register("dice")
class Dice(OverlapLoss):
    """One minus the soft Dice coefficient (Milletari et al. 2016, without their squares).

    With P the sum of probabilities, T the pixels of the class, I the sum of probabilities there and s
    ``smooth``: ``1 - (2 I + s) / (P + T + s)``.

    An empty target (T = 0) has no overlap to gain, and the fraction's gradient there is about ``s / P**2``:
    next to nothing for a large blob. So a class that the image does not have is scored by the Dice of its
    complement, N being the number of pixels: ``1 - (2 (N - P) + s) / (2 N - P + s)``. That is 0 for no
    prediction and almost 1 for a full one, and its gradient, about 1 / (2 N) a pixel or more before the
    sigmoid, shrinks a blob of any size.

    Where the target has the class, this is MONAI's ``DiceLoss(smooth_nr=s, smooth_dr=s)``, ``batch=True`` for
    ``per="batch"``, and segmentation-models-pytorch's ``DiceLoss(smooth=s / 2)`` for ``per="batch"``. On an
    empty target they differ: MONAI keeps the fraction with its vanishing gradient,
    segmentation-models-pytorch gives 0.

    Parameters are those of :class:`~medgraft.losses.overlap.OverlapLoss`.
    """

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; see :meth:`SegmentationLoss.compute`."""
        sums, s = self.sums(logits, target), self.smooth
        present = (2 * sums.shared + s) / (sums.predicted + sums.true + s)
        absent = (2 * (sums.pixels - sums.predicted) + s) / (2 * sums.pixels - sums.predicted + s)
        return 1 - torch.where(sums.true > 0, present, absent).mean()
