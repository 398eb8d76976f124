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


class InALoop:
    """No module, and image by image."""

    def __init__(self, smooth=1.0):
        self.s = smooth

    def __call__(self, logits, target):
        losses = []
        for one, mask in zip(torch.sigmoid(logits), target, strict=True):
            overlap = torch.dot(one.reshape(-1), mask.reshape(-1))
            losses.append(1 - (2 * overlap + self.s) / (one.sum() + mask.sum() + self.s))
        return torch.stack(losses).mean()


def of(loss):
    """A class of a function that takes logits, target and smooth."""

    class Made(nn.Module):
        def __init__(self, smooth=1.0):
            super().__init__()
            self.smooth = smooth

        def forward(self, logits, target):
            return loss(logits, target, self.smooth)

    return Made


@of
def with_einsum(logits, target, smooth):
    p = logits.sigmoid()
    shared, both = torch.einsum("bchw,bchw->b", p, target), torch.einsum("bchw->b", p + target)
    return torch.mean((both - 2 * shared) / (both + smooth))


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


@of
def smooth_below(logits, target, smooth):
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum((1, 2, 3)) / ((p + target).sum((1, 2, 3)) + smooth)).mean()


def with_softmax(logits, target):
    return 1 - _dice(logits.softmax(1), target).mean()


@of
def detached(logits, target, smooth):
    return torch.tensor(OfModules(smooth)(logits, target).item())


def with_squares(logits, target):
    p = logits.sigmoid()
    return 1 - ((2 * (p * target).sum((1, 2, 3)) + 1) / ((p**2 + target**2).sum((1, 2, 3)) + 1)).mean()


def jaccard(logits, target):
    p = logits.sigmoid()
    shared = (p * target).sum((1, 2, 3))
    return 1 - ((shared + 1) / ((p + target).sum((1, 2, 3)) - shared + 1)).mean()


def summed(logits, target):
    return (1 - _dice(logits.sigmoid(), target)).sum()


def fixed(logits, target):
    return 1 - _dice(logits.sigmoid(), target).mean()


RIGHT = [OfModules, InALoop, with_einsum]
WRONG = {
    "reversed": reversed_, "pooled": pooled, "no-smoothing": unsmoothed, "no-sigmoid": of_logits,
    "thresholded": thresholded, "overlap-once": overlap_once, "not-one-number": an_image_each,
    "smooth-once": smooth_below, "softmax": with_softmax, "detached": detached, "squares": with_squares,
    "jaccard": jaccard, "summed": summed, "smooth-ignored": fixed,
}  # fmt: skip
