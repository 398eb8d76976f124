"""What every segmentation loss shares: the mode, the check of its input, and float32 inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medgraft.errors import RecipeError

Mode = Literal["binary", "multiclass"]


class SegmentationLoss(nn.Module, ABC):
    """A loss of logits against integer classes, for one class against the background or for several.

    Parameters
    ----------
    mode : ``"binary"``: logits [B, 1, H, W], of the foreground; ``"multiclass"``: logits [B, C, H, W] with C
        of at least 2, class 0 being the background.

    Raises
    ------
    RecipeError
        If the mode is another one.
    """

    def __init__(self, mode: Mode = "binary") -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise RecipeError(f"loss mode: binary or multiclass is wanted (got {mode!r}).")
        self.mode = mode

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        logits : [B, 1 or C, H, W], of any floating-point type; computed in float32, also under autocast.
        target : [B, H, W], integer (or bool) classes from 0.

        Returns
        -------
        Tensor
            A float32 scalar.

        Raises
        ------
        ValueError
            If shapes, types or (on the CPU) values of the target do not fit.
        """
        self._check(logits, target)
        with torch.autocast(logits.device.type, enabled=False):
            encoded = target.unsqueeze(1).float() if self.mode == "binary" else target.long()
            return self.compute(logits.float(), encoded)

    @abstractmethod
    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of float32 logits and an encoded target.

        Parameters
        ----------
        logits : [B, 1 or C, H, W], float32.
        target : binary: [B, 1, H, W], float32 zeros and ones; multiclass: [B, H, W], int64 classes.
        """

    def _check(self, logits: Tensor, target: Tensor) -> None:
        channels = logits.shape[1] if logits.ndim == 4 else 0
        if channels == 0 or (channels == 1) != (self.mode == "binary"):
            wanted = "[B, 1, H, W]" if self.mode == "binary" else "[B, C, H, W] with C > 1"
            raise ValueError(f"logits: {wanted} is wanted in mode {self.mode} (got {list(logits.shape)})")
        if target.shape != (logits.shape[0], *logits.shape[2:]):
            wanted = f"[B, H, W] to logits {list(logits.shape)}"
            raise ValueError(f"target: {wanted} is wanted (got {list(target.shape)})")
        if target.is_floating_point():
            raise ValueError(f"target: integer classes are wanted (got {target.dtype})")
        # On an accelerator the check would wait for the device at every step.
        if target.device.type == "cpu" and target.numel():
            low, high = int(target.min()), int(target.max())
            if low < 0 or high >= max(channels, 2):
                raise ValueError(f"target: classes 0 to {max(channels, 2) - 1} are wanted (got {low} to {high})")
