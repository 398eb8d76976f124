"""Scores at working size while a model trains: what early stopping looks at, not what the report says."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medgraft.ranking import macro_auc


class Tally(ABC):
    """A score that grows batch by batch."""

    @abstractmethod
    def add(self, logits: Tensor, targets: Tensor) -> None:
        """Count a batch: logits as the model returns them, targets as the loader does."""

    @abstractmethod
    def value(self) -> float:
        """The score of all that was counted; NaN where it is undefined."""


@dataclass(frozen=True)
class Monitor:
    """A score by name; the larger, the better."""

    key: str
    tally: Callable[[], Tally]


def monitor_of(task: str, kind: str, threshold: float) -> Monitor:
    """The score that a task's training is watched by.

    Parameters
    ----------
    task : ``segmentation`` (mean Dice of images) or ``classification``: the macro AUC, or with more than two
        classes, one an image, the balanced accuracy.
    kind : ``binary``, ``multiclass`` or ``multilabel``.
    threshold : probability from which a pixel is foreground.
    """
    if task == "segmentation":
        return Monitor("dice", lambda: _DiceTally(threshold))
    if kind == "multiclass":
        return Monitor("balanced_accuracy", _BalancedAccuracyTally)
    return Monitor("auc", _AucTally)


class _DiceTally(Tally):
    def __init__(self, threshold: float) -> None:
        self.threshold, self.total, self.count = threshold, 0.0, 0

    def add(self, logits: Tensor, targets: Tensor) -> None:
        dice = batch_dice(logits, targets, self.threshold)
        self.total += float(dice.sum())
        self.count += len(dice)

    def value(self) -> float:
        return self.total / self.count if self.count else math.nan


class _LabelTally(Tally):
    def __init__(self) -> None:
        self.logits: list[Tensor] = []
        self.targets: list[Tensor] = []

    def add(self, logits: Tensor, targets: Tensor) -> None:
        self.logits.append(logits.detach().float().cpu())
        self.targets.append(targets.cpu())


class _AucTally(_LabelTally):
    def value(self) -> float:
        logits, targets = torch.cat(self.logits).numpy(), torch.cat(self.targets).numpy()
        return macro_auc(targets, logits[:, 0] if logits.shape[1] == 1 else logits)


class _BalancedAccuracyTally(_LabelTally):
    def value(self) -> float:
        predicted = torch.cat(self.logits).argmax(1).numpy()
        targets = torch.cat(self.targets).numpy()
        # A class that is predicted and not there has no recall; scikit-learn would warn of it at every epoch.
        return float(np.mean([(predicted[targets == name] == name).mean() for name in np.unique(targets)]))


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
