"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.errors import RecipeError
from medgraft.losses.base import Mode, SegmentationLoss
from medgraft.losses.registry import register

SMALLEST = 1e-7


@register("focal")
class Focal(SegmentationLoss):
    """Cross-entropy that discounts pixels the model has right already (Lin et al. 2017, equation 5).

    ``-a (1 - q)**gamma log q``, q being the probability of the pixel's true class (sigmoid, or softmax over
    classes), ``a = alpha`` on foreground (every class but 0) and ``1 - alpha`` on background; a mean over all
    pixels.

    An empty target: every pixel is background, and the gradient shrinks a predicted blob, the stronger the
    surer the model is of it.

    Binary, this is segmentation-models-pytorch's ``FocalLoss(alpha=alpha, gamma=gamma)`` and MONAI's
    ``FocalLoss(alpha=alpha, gamma=gamma)``. Multi-class, it is C times MONAI's with ``use_softmax=True``,
    which takes the mean over classes too; segmentation-models-pytorch differs: it adds one binary focal loss
    a class.

    Parameters
    ----------
    mode : ``"binary"`` or ``"multiclass"``.
    alpha : weight of the foreground, from 0 to 1; ``None`` weighs all pixels 1.
    gamma : strength of the discount, 0 or more; 0 gives (weighted) cross-entropy.

    Raises
    ------
    RecipeError
        If a value is out of range.
    """

    def __init__(self, mode: Mode = "binary", alpha: float | None = 0.5, gamma: float = 2.0) -> None:
        super().__init__(mode)
        if alpha is not None and not 0 <= alpha <= 1:
            raise RecipeError(f"focal loss alpha: a number from 0 to 1 is wanted (got {alpha}).")
        if not gamma >= 0:
            raise RecipeError(f"focal loss gamma: 0 or more is wanted (got {gamma}).")
        self.alpha = alpha
        self.gamma = gamma

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; see :meth:`SegmentationLoss.compute`."""
        losses = self._binary(logits, target) if self.mode == "binary" else self._multiclass(logits, target)
        if self.alpha is None:
            return losses.mean()
        weights = torch.where(target > 0, self.alpha, 1 - self.alpha)
        return (losses * weights).mean()

    def _binary(self, logits: Tensor, target: Tensor) -> Tensor:
        """[B, 1, H, W]; with z the true class's logit, log(1 - q) = -(z + cross-entropy): no power of 0."""
        true_logit = logits * (2 * target - 1)
        entropy = F.softplus(-true_logit)
        return entropy * torch.exp(-self.gamma * (true_logit + entropy))

    def _multiclass(self, logits: Tensor, target: Tensor) -> Tensor:
        """[B, H, W]. A power below 1 has no gradient at 0, hence the least value of 1 - q."""
        entropy = F.cross_entropy(logits, target, reduction="none")
        missing = -torch.expm1(-entropy)
        return entropy * missing.clamp_min(SMALLEST) ** self.gamma

    def extra_repr(self) -> str:
        """Options, as ``print(loss)`` shows them."""
        return f"mode={self.mode!r}, alpha={self.alpha}, gamma={self.gamma}"
