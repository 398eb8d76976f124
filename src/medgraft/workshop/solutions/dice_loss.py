"""Soft Dice loss of one foreground class, per image."""

import torch
from torch import nn


class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        p = torch.sigmoid(logits).flatten(1)
        t = target.flatten(1).to(p.dtype)
        overlap = (p * t).sum(dim=1)
        both = p.sum(dim=1) + t.sum(dim=1)
        dice = (2 * overlap + self.smooth) / (both + self.smooth)
        return 1 - dice.mean()
