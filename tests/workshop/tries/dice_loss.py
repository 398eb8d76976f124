"""Dice losses that learners write."""

import torch
from torch import nn


class OfModules(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        p = logits.sigmoid()
        axes = (1, 2, 3)
        dice = (2 * (p * target).sum(axes) + self.smooth) / (p.sum(axes) + target.sum(axes) + self.smooth)
        return (1 - dice).mean()


def in_a_loop(logits, target, smooth=1.0):
    losses = []
    for one, mask in zip(torch.sigmoid(logits), target, strict=True):
        overlap = torch.dot(one.reshape(-1), mask.reshape(-1))
        losses.append(1 - (2 * overlap + smooth) / (one.sum() + mask.sum() + smooth))
    return torch.stack(losses).mean()


def _dice(p, target, axes=(1, 2, 3), smooth=1.0, overlaps=2):
    return (overlaps * (p * target).sum(axes) + smooth) / (p.sum(axes) + target.sum(axes) + smooth)


def reversed_(logits, target):
    return _dice(logits.sigmoid(), target).mean()


def pooled(logits, target):
    return 1 - _dice(logits.sigmoid(), target, axes=(0, 1, 2, 3))


def unsmoothed(logits, target):
    return 1 - _dice(logits.sigmoid(), target, smooth=0.0).mean()


def of_logits(logits, target):
    return 1 - _dice(logits, target).mean()


def thresholded(logits, target):
    return 1 - _dice((logits > 0).float(), target).mean()


def overlap_once(logits, target):
    return 1 - _dice(logits.sigmoid(), target, overlaps=1).mean()


def an_image_each(logits, target):
    return 1 - _dice(logits.sigmoid(), target)


RIGHT = [OfModules, in_a_loop]
WRONG = {
    "reversed": reversed_, "pooled": pooled, "no-smoothing": unsmoothed, "no-sigmoid": of_logits,
    "thresholded": thresholded, "overlap-once": overlap_once, "not-one-number": an_image_each,
}  # fmt: skip
