"""IoU (Jaccard) loss."""

from __future__ import annotations

import torch
from torch import Tensor

from medgraft.losses.overlap import OverlapLoss
from medgraft.losses.registry import register


@register("iou")
class IoU(OverlapLoss):
    """One minus the soft intersection over union (Rahman & Wang 2016).

    With P the sum of probabilities, T the pixels of the class, I the sum of probabilities there and s
    ``smooth``: ``1 - (I + s) / (P + T - I + s)``.

    An empty target (T = 0): a class that the image does not have is scored by the IoU of its complement,
    ``1 - (N - P + s) / (N + s)`` with N pixels: about the mean probability, whose gradient shrinks a blob of
    any size.

    Where the target has the class, this is MONAI's ``DiceLoss(jaccard=True, smooth_nr=2 s, smooth_dr=2 s)``
    and, for ``per="batch"``, segmentation-models-pytorch's ``JaccardLoss(smooth=s)``. On an empty target they
    differ, as for :class:`~medgraft.losses.dice.Dice`.

    Parameters are those of :class:`~medgraft.losses.overlap.OverlapLoss`.
    """

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; see :meth:`SegmentationLoss.compute`."""
        sums, s = self.sums(logits, target), self.smooth
        present = (sums.shared + s) / (sums.predicted + sums.true - sums.shared + s)
        absent = (sums.pixels - sums.predicted + s) / (sums.pixels + s)
        return 1 - torch.where(sums.true > 0, present, absent).mean()
