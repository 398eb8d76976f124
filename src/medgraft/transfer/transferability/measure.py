"""All measures of one encoder's features, on the same folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from medgraft.transfer.transferability.folds import deal_folds
from medgraft.transfer.transferability.hscore import hscore
from medgraft.transfer.transferability.knn import knn
from medgraft.transfer.transferability.labelled import Codes, LabelledFeatures
from medgraft.transfer.transferability.learning_curve import CurvePoint, learning_curve
from medgraft.transfer.transferability.logme import logme
from medgraft.transfer.transferability.nleep import nleep
from medgraft.transfer.transferability.probe import OutOfFold, probe

Progress = Callable[[int, int], None]
Found = TypeVar("Found")

MEASURES = 6


@dataclass(frozen=True, eq=False)
class Probed:
    """What the probe says of each image.

    Attributes
    ----------
    data : the features and labels of N images.
    folds : [N].
    probe : out of fold.
    """

    data: LabelledFeatures
    folds: Codes
    probe: OutOfFold


@dataclass(frozen=True, eq=False)
class Measured(Probed):
    """All measures of an encoder's features; those with a value an image get their intervals later.

    Attributes
    ----------
    knn : [N, C], the weighted share of each label among the neighbours of an image.
    curve : the probe on ever more patients; the last point is the probe on all.
    logme, nleep, hscore : one number each, higher is better; comparable between encoders on the same images only.
    """

    knn: npt.NDArray[np.float64]
    curve: tuple[CurvePoint, ...]
    logme: float
    nleep: float
    hscore: float


def probe_alone(data: LabelledFeatures, seed: int = 0) -> Probed:
    """Cross-validate the probe and nothing else: for the encoder with random weights."""
    folds = deal_folds(data, seed)
    with threadpool_limits(1):
        return Probed(data, folds, probe(data, folds))


def measure(data: LabelledFeatures, seed: int = 0, progress: Progress | None = None) -> Measured:
    """Take all measures of the features.

    Parameters
    ----------
    seed : of the folds, of the parts of the learning curve and of the mixture behind NLEEP. With the same seed,
        labels and groups the folds are the same, so what differs between encoders is paired image by image.
    progress : called with ``(done, total)`` measures.
    """
    folds = deal_folds(data, seed)
    told = _Told(progress)
    # The matrices are small: threads would wait for each other longer than they work (ten times, on busy cores).
    with threadpool_limits(1):
        whole = told(probe(data, folds))
        return Measured(
            data,
            folds,
            whole,
            knn=told(knn(data, folds)),
            logme=told(logme(data)),
            nleep=told(nleep(data, seed)),
            hscore=told(hscore(data)),
            curve=told(learning_curve(data, folds, whole, seed)),
        )


class _Told:
    """Passes a measure on and tells that it is done."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.done = progress, 0

    def __call__(self, found: Found) -> Found:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, MEASURES)
        return found
