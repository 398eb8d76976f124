"""Structures found, missed and extra over many images, from the counts of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError, listing
from medgraft.evaluation.intervals import group_codes, group_column
from medgraft.evaluation.resampling import Bootstrap, Codes, resample
from medgraft.scores import Interval

Floats = NDArray[np.float64]

_COLUMNS = ("true", "predicted", "found", "touched", "iou")


@dataclass(frozen=True)
class Detection:
    """The structures of many images, each structure counting the same.

    Attributes
    ----------
    true, predicted : structures of the masks and of the predictions.
    found, touched : matched above an IoU of 0.5, and above one of 0.1.
    recall : the share of true structures that were found.
    precision : the share of predicted structures that are true ones.
    f1, loose_f1 : 2 matches / (true + predicted), for those found and those touched.
    panoptic_quality : the sum of the IoUs of those found / ((true + predicted) / 2).
    """

    true: int
    predicted: int
    found: int
    touched: int
    recall: Interval
    precision: Interval
    f1: Interval
    loose_f1: Interval
    panoptic_quality: Interval

    @property
    def missed(self) -> int:
        """True structures that were not found."""
        return self.true - self.found

    @property
    def extra(self) -> int:
        """Predicted structures that are none of the true ones."""
        return self.predicted - self.found


def detection(rows: pd.DataFrame, name: str = "", bootstrap: Bootstrap | None = None) -> Detection:
    """Add up the structures of images; where there are none at all, a score is undefined.

    Parameters
    ----------
    rows : of ``predictions.csv``, of the images that are meant.
    name : a class; empty for all of the foreground.
    bootstrap : of the intervals: patients are drawn where known, else images.

    Raises
    ------
    RunError
        If the table has no such columns (of a run that an older version evaluated).
    """
    columns = [f"structures_{which}_{name}" if name else f"structures_{which}" for which in _COLUMNS]
    lacking = [column for column in columns if column not in rows.columns]
    if lacking:
        raise RunError(
            f"the table of predictions has no column {listing(lacking)}, so structures cannot be counted; "
            "evaluate the run again."
        )
    codes = pd.factorize(group_codes(group_column(rows), len(rows)))[0].astype(np.int64)
    counts = _Counts(rows[columns].to_numpy(dtype=np.float64), codes)
    (drawn,) = resample([counts], np.zeros(counts.groups, dtype=np.int64), bootstrap or Bootstrap())
    intervals = {score: drawn.interval(score, len(rows)) for score in drawn.values}
    true, predicted, found, touched = (int(total) for total in rows[columns[:4]].sum())
    return Detection(true, predicted, found, touched, **intervals)


class _Counts:
    """Scores as functions of how often each group counts."""

    def __init__(self, counts: Floats, codes: Codes) -> None:
        self.images = max(1, len(counts))
        self.groups = int(codes.max(initial=-1)) + 1
        self._sums = np.zeros((self.groups, counts.shape[1]))
        np.add.at(self._sums, codes, counts)

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S]; NaN where nothing is there to be counted."""
        true, predicted, found, touched, iou = self._sums.T @ counts
        average = (true + predicted) / 2
        return {
            "recall": _ratio(found, true),
            "precision": _ratio(found, predicted),
            "f1": _ratio(found, average),
            "loose_f1": _ratio(touched, average),
            "panoptic_quality": _ratio(iou, average),
        }


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
