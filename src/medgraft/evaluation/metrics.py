"""Scores of one predicted mask against the true one.

What happens on empty masks, for each class on its own:

=========================  ==============  ===========  ===========
truth / prediction         Dice, Jaccard   sensitivity  specificity
=========================  ==============  ===========  ===========
both empty                 1               undefined    1
truth empty, blob          0               undefined    below 1
structure, missed          0               0            1
truth fills the image      as usual        as usual     undefined
=========================  ==============  ===========  ===========

Undefined is NaN: it is left out of means, and ``n`` beside a mean says how many images are in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

METRICS: tuple[str, ...] = ("dice", "jaccard", "thresholded_jaccard", "sensitivity", "specificity")

JACCARD_THRESHOLD = 0.65


def segmentation_row(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], names: Sequence[str]
) -> dict[str, float]:
    """Score one image at its mask's own resolution.

    Parameters
    ----------
    prediction, truth : [H, W], integer classes; 0 is the background.
    names : names of all classes, the background first.

    Returns
    -------
    dict
        A value for each of :data:`METRICS`. With more than one foreground class, also ``dice_<name>`` and so
        on for each of them; the plain names are then means over the foreground classes where they are
        defined. Each is from 0 to 1, or NaN where it is undefined (see the module's table).
        ``thresholded_jaccard`` is the Jaccard index, or 0 where that is below 0.65, as the ISIC challenge of
        2018 scores.

    Raises
    ------
    ValueError
        If shapes differ, the image has no pixel, or a value is no class.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    _check(prediction, truth, len(names))
    rows = [_class_scores(prediction == index, truth == index) for index in range(1, len(names))]
    if len(rows) == 1:
        return rows[0]
    overall = {metric: _mean_defined([row[metric] for row in rows]) for metric in METRICS}
    each = {f"{m}_{name}": row[m] for name, row in zip(names[1:], rows, strict=True) for m in METRICS}
    return overall | each


def metric_columns(columns: Iterable[str]) -> list[str]:
    """Return those of a table's columns that hold a metric, overall or of one class."""
    starts = tuple(f"{metric}_" for metric in METRICS)
    return [name for name in map(str, columns) if name in METRICS or name.startswith(starts)]


def _class_scores(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, float]:
    """Scores of one class; counting bools is several times faster than a histogram of class pairs."""
    shared = int(np.count_nonzero(predicted & true))
    false_positive = int(np.count_nonzero(predicted)) - shared
    missed = int(np.count_nonzero(true)) - shared
    true_negative = true.size - shared - false_positive - missed
    union = shared + false_positive + missed
    jaccard = shared / union if union else 1.0
    return {
        "dice": 2 * shared / (union + shared) if union else 1.0,
        "jaccard": jaccard,
        "thresholded_jaccard": jaccard if jaccard >= JACCARD_THRESHOLD else 0.0,
        "sensitivity": _ratio(shared, shared + missed),
        "specificity": _ratio(true_negative, true_negative + false_positive),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def _check(prediction: NDArray[np.integer], truth: NDArray[np.integer], classes: int) -> None:
    if classes < 2:
        raise ValueError(f"names: a background and at least one class are wanted (got {classes})")
    if prediction.shape != truth.shape or prediction.ndim != 2 or not prediction.size:
        raise ValueError(f"two masks [H, W] of one size are wanted (got {prediction.shape} and {truth.shape})")
    for what, mask in (("prediction", prediction), ("truth", truth)):
        if mask.dtype.kind not in "biu":
            raise ValueError(f"{what}: integer classes are wanted (got {mask.dtype})")
        if mask.min() < 0 or mask.max() >= classes:
            raise ValueError(f"{what}: classes 0 to {classes - 1} are wanted (got {mask.min()} to {mask.max()})")
