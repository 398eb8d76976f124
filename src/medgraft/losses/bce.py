"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from medgraft.losses.base import SegmentationLoss
from medgraft.losses.registry import register


@register("bce")
class BCE(SegmentationLoss):
    """Cross-entropy, binary or over classes, as a mean over all pixels of all images.

    Binary: ``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``. Multi-class: ``-log
    softmax(logits)[t]``.

    An empty target: every pixel is background and its gradient is ``p`` over the number of pixels, so a
    predicted blob shrinks, however sure the model is of it.

    The same as torch's two functions and segmentation-models-pytorch's ``SoftBCEWithLogitsLoss`` and
    ``SoftCrossEntropyLoss`` without label smoothing.
    """

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; see :meth:`SegmentationLoss.compute`."""
        if self.mode == "binary":
            return F.binary_cross_entropy_with_logits(logits, target)
        return F.cross_entropy(logits, target)
