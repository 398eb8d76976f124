"""How often what a model is sure of is so: probabilities in bins, and the share that came true in each.

What is binned, by task:

===========  ======================================================================================================
binary       the probability of the positive class, and whether the image is of it (Naeini et al. 2015). A model that
             finds too many positives and one that finds too few differ here; by the confidence in whatever class was
             said (Guo et al. 2017) they may look the same.
multiclass   the confidence: the largest probability, and whether that class is the true one (Guo et al. 2017).
multilabel   the probability of each label, and whether the image has it, all labels together.
===========  ======================================================================================================

Of one class of several, always its own probability and whether the image is of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import DataError
from medgraft.evaluation.intervals import group_codes
from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.shares import interval_of_sums
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Images (pixels, labels) whose probability lies in one bin.

    Attributes
    ----------
    low, high : ends of the bin; a probability equal to ``high`` is in it, one equal to ``low`` is not (0 is in the
        first).
    confidence : mean probability; NaN in an empty bin.
    observed : the share that came true, with Wilson's interval (see
        :func:`~medgraft.evaluation.shares.share_interval`); its ``n`` says how many there are.
    """

    low: float
    high: float
    confidence: float
    observed: Interval


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram, from low to high, and in words what is binned."""

    of: str
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, eq=False)
class View:
    """What is binned: probabilities [M], whether each came true [M], and the image that each is of [M]."""

    of: str
    confidence: Floats
    hits: Flags
    images: Codes


def equal_width(bins: int = BINS) -> Floats:
    """Return the edges, [bins + 1], of bins of equal width from 0 to 1; DataError for less than one bin."""
    if bins < 1:
        raise DataError(f"one bin or more is wanted (got {bins}).")
    return np.linspace(0, 1, bins + 1)


def equal_mass(values: ArrayLike, bins: int = BINS) -> Floats:
    """Return the edges of bins that hold about as many of the values each; fewer bins where many are equal.

    Where most probabilities are small, as of a rare finding, bins of equal width would leave most of them in one.
    """
    quantiles = np.quantile(np.asarray(values, dtype=np.float64), equal_width(bins)[1:-1])
    return np.unique(np.concatenate([[0.0], quantiles, [1.0]]))


def overall_view(outcomes: Outcomes) -> View:
    """Return what is binned of all classes together; see the module's table."""
    rows = np.arange(len(outcomes.truth))
    if outcomes.binary:
        of = f"probability of {outcomes.names[1]}"
        return View(of, outcomes.probabilities[:, 1], outcomes.truth[:, 1], rows)
    if outcomes.multilabel:
        images = np.repeat(rows, len(outcomes.names))
        return View("probability of each label", outcomes.probabilities.ravel(), outcomes.truth.ravel(), images)
    said = outcomes.probabilities.argmax(axis=1)
    return View(
        "confidence in the class that is said", outcomes.probabilities[rows, said], outcomes.truth[rows, said], rows
    )


def class_views(outcomes: Outcomes) -> dict[str, View]:
    """Return what is binned of each class on its own, by its name; of two classes nothing, as it is the same again."""
    if outcomes.binary:
        return {}
    rows = np.arange(len(outcomes.truth))
    return {
        name: View(f"probability of {name}", outcomes.probabilities[:, index], outcomes.truth[:, index], rows)
        for index, name in enumerate(outcomes.names)
    }


def reliability(
    view: View, groups: ArrayLike | None = None, edges: Sequence[float] | Floats | None = None, level: float = 0.95
) -> Reliability:
    """Put probabilities into bins and count how many of each came true.

    Parameters
    ----------
    view : such as that of :func:`overall_view`.
    groups : [N], the patient of each image; see :func:`~medgraft.evaluation.intervals.bootstrap_mean`.
    edges : of the bins, from 0 to 1 (:func:`equal_width`, :func:`equal_mass`); 15 of equal width unless told.
    level : of the intervals.
    """
    bounds = equal_width() if edges is None else np.asarray(edges, dtype=np.float64)
    images = int(view.images.max()) + 1 if len(view.images) else 0
    codes = group_codes(groups, images)
    sums = bin_sums(view, codes, bounds)
    bins = []
    for low, high, (sizes, confidence, hits) in zip(bounds, bounds[1:], sums.transpose(1, 2, 0), strict=False):
        mean = float(confidence.sum() / sizes.sum()) if sizes.any() else float("nan")
        bins.append(ReliabilityBin(float(low), float(high), mean, interval_of_sums(hits, sizes, level)))
    return Reliability(view.of, tuple(bins))


def bin_sums(view: View, codes: Codes, edges: Floats) -> Floats:
    """Return for each group and bin how many there are, the sum of probabilities, and how many came true.

    Parameters
    ----------
    codes : [N], the group of each image, numbered from 0 without a gap.
    edges : [B + 1], rising.

    Returns
    -------
    [G, B, 3]
    """
    count = len(edges) - 1
    where = np.clip(np.searchsorted(edges, view.confidence, side="left") - 1, 0, count - 1)
    cells = codes[view.images] * count + where
    size = (int(codes.max()) + 1) * count
    columns = [None, view.confidence, view.hits.astype(np.float64)]
    sums = [np.bincount(cells, weights=column, minlength=size) for column in columns]
    return np.stack(sums, axis=1).reshape(-1, count, 3).astype(np.float64)
