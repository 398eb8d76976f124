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

Undefined is NaN: it is left out of means, and ``n`` beside a mean says how many images are in it. What the distances
between outlines and the scores of separate structures do there is in :mod:`~medgraft.evaluation.surfaces` and
:mod:`~medgraft.evaluation.structures`: they are always defined, and a miss is the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medgraft.evaluation.structures import Structures, structures_of
from medgraft.evaluation.surfaces import PIXELS, Spacing, surface_scores

OVERLAPS: tuple[str, ...] = ("dice", "jaccard", "thresholded_jaccard", "sensitivity", "specificity")
SURFACES: tuple[str, ...] = ("hd95", "assd", "boundary_dice")
UNITS: tuple[str, ...] = ("px", "mm")
STRUCTURES: tuple[str, ...] = ("structure_f1", "loose_structure_f1", "panoptic_quality")

METRICS: tuple[str, ...] = (*OVERLAPS, *(f"{metric}_{unit}" for unit in UNITS for metric in SURFACES), *STRUCTURES)
"""All metrics that an image of masks can have; its distances are in one of the units, never in both."""

COUNTS: tuple[str, ...] = (
    *("pixels_true", "pixels_predicted", "structures_true", "structures_predicted"),
    *("structures_found", "structures_touched", "structures_iou"),
)
"""What is counted in an image, for figures over many images: areas, and structures (see ``Structures``)."""

JACCARD_THRESHOLD = 0.65


def segmentation_row(
    prediction: NDArray[np.integer],
    truth: NDArray[np.integer],
    names: Sequence[str],
    spacing: Spacing | None = None,
) -> dict[str, float]:
    """Score one image at its mask's own resolution.

    Parameters
    ----------
    prediction, truth : [H, W], integer classes; 0 is the background.
    names : names of all classes, the background first.
    spacing : mm between two rows and between two columns; None where that is not known.

    Returns
    -------
    dict
        A value for each of :data:`METRICS` (of the distances, those in mm where there is a spacing, else those in
        pixels) and for each of :data:`COUNTS`. With more than one foreground class, also ``dice_<name>`` and so on
        for each of them; the plain names are then means over the foreground classes where they are defined, and of
        counts the sums. A metric is from 0 to 1, a distance from 0 to the image's diagonal, or NaN where it is
        undefined (see the module's table). ``thresholded_jaccard`` is the Jaccard index, or 0 where that is below
        0.65, as the ISIC challenge of 2018 scores.

    Raises
    ------
    ValueError
        If shapes differ, the image has no pixel, a value is no class, or the spacing is not positive.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    _check(prediction, truth, len(names))
    rows = [_class_row(prediction == index, truth == index, spacing) for index in range(1, len(names))]
    if len(rows) == 1:
        return rows[0]
    overall = {
        column: sum(row[column] for row in rows) if column in COUNTS else _mean_defined([row[column] for row in rows])
        for column in rows[0]
    }
    each = {f"{column}_{name}": row[column] for name, row in zip(names[1:], rows, strict=True) for column in row}
    return overall | each


def metric_columns(columns: Iterable[str]) -> list[str]:
    """Return those of a table's columns that hold a metric, overall or of one class."""
    starts = tuple(f"{metric}_" for metric in METRICS)
    return [name for name in map(str, columns) if name in METRICS or name.startswith(starts)]


def _class_row(predicted: NDArray[np.bool_], true: NDArray[np.bool_], spacing: Spacing | None) -> dict[str, float]:
    """Scores and counts of one class."""
    unit = "px" if spacing is None else "mm"
    outlines = surface_scores(predicted, true, PIXELS if spacing is None else spacing)
    found = Structures.of(structures_of(predicted), structures_of(true))
    return {
        **_overlap_scores(predicted, true),
        **{f"{metric}_{unit}": getattr(outlines, metric) for metric in SURFACES},
        **found.scores(),
        "pixels_true": int(np.count_nonzero(true)),
        "pixels_predicted": int(np.count_nonzero(predicted)),
        "structures_true": found.true,
        "structures_predicted": found.predicted,
        "structures_found": found.found,
        "structures_touched": found.touched,
        "structures_iou": found.shared,
    }


def _overlap_scores(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, float]:
    """Scores of shared pixels; counting bools is several times faster than a histogram of class pairs."""
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
