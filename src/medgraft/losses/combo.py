"""Cross-entropy and Dice together."""

from __future__ import annotations

from torch import Tensor

from medgraft.errors import RecipeError
from medgraft.losses.base import Mode, SegmentationLoss
from medgraft.losses.bce import BCE
from medgraft.losses.dice import Dice
from medgraft.losses.overlap import Per
from medgraft.losses.registry import register


@register("combo")
class Combo(SegmentationLoss):
    """``alpha * BCE + (1 - alpha) * Dice``: the pixel's error keeps a gradient where Dice saturates.

    An empty target: both parts shrink a predicted blob. The same as adding the two losses of another library,
    weighted, where :class:`~medgraft.losses.dice.Dice` agrees with it.

    Parameters
    ----------
    mode : ``"binary"`` or ``"multiclass"``.
    alpha : weight of the cross-entropy, from 0 to 1.
    smooth, per : of the Dice part.

    Raises
    ------
    RecipeError
        If a value is out of range.
    """

    def __init__(self, mode: Mode = "binary", alpha: float = 0.5, smooth: float = 1.0, per: Per = "image") -> None:
        super().__init__(mode)
        if not 0 <= alpha <= 1:
            raise RecipeError(f"combo loss alpha: a number from 0 to 1 is wanted (got {alpha}).")
        self.alpha = alpha
        self.bce = BCE(mode)
        self.dice = Dice(mode, smooth, per)

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; see :meth:`SegmentationLoss.compute`."""
        entropy, dice = self.bce.compute(logits, target), self.dice.compute(logits, target)
        return self.alpha * entropy + (1 - self.alpha) * dice

    def extra_repr(self) -> str:
        """Options, as ``print(loss)`` shows them."""
        return f"mode={self.mode!r}, alpha={self.alpha}"
