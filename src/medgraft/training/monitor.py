"""Scores of a batch at working size: what early stopping looks at, not what the report says."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def batch_dice(logits: Tensor, masks: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the Dice of each image, [B].

    ``logits`` are [B, 1, H, W] (binary: foreground where the probability reaches ``threshold``) or [B, C, H, W]
    (the class with the largest logit; the mean over foreground classes is returned), ``masks`` integer classes
    [B, H, W]. A class that neither prediction nor truth holds scores 1, as in the evaluation.
    """
    if logits.shape[1] == 1:
        predicted = (logits[:, 0] >= math.log(threshold / (1 - threshold))).unsqueeze(1)
        truth = (masks > 0).unsqueeze(1)
    else:
        classes = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, 1, 1)
        predicted = logits.argmax(1, keepdim=True) == classes
        truth = masks.unsqueeze(1) == classes
    both = (predicted & truth).sum((2, 3))
    either = predicted.sum((2, 3)) + truth.sum((2, 3))
    dice = torch.where(either == 0, 1.0, 2.0 * both / either.clamp_min(1))
    return dice.mean(1)
