"""ROC and precision-recall curves of one class against the rest, with bootstrap bands by group.

A band is vertical: over bootstrap samples of whole groups (patients), the 2.5th and 97.5th percentile of the height
of the curve at each place of the horizontal axis (vertical averaging: Fawcett 2006, An introduction to ROC analysis,
Pattern Recognition Letters 27).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

GRID: Floats = np.linspace(0, 1, 101)
DRAWS = 500


@dataclass(frozen=True)
class Curve:
    """A curve with its band.

    Attributes
    ----------
    x, y : [n] points of the curve, from left to right.
    area : under it; for precision and recall the average precision.
    low, high : [101] ends of the band at :data:`GRID`, or None where groups are too few to draw from.
    """

    x: Floats
    y: Floats
    area: float
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class Ranked:
    """Images in order of falling probability: what both curves are computed from.

    Attributes
    ----------
    order : [n] positions of the images, most probable first.
    truth : [n] whether the image at that place has the class.
    ends : places of the last image of each distinct probability; images with one probability pass together.
    """

    order: Integers
    truth: Bools
    ends: Integers

    @classmethod
    def of(cls, truth: Bools, probability: Floats) -> Ranked:
        """Sort images by probability."""
        order = np.argsort(-probability, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
        return cls(order, truth[order], ends)

    def passed(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of images with and without the class that lie at or above each distinct probability."""
        sorted_weights = weights[self.order]
        true = np.cumsum(np.where(self.truth, sorted_weights, 0.0))[self.ends]
        false = np.cumsum(np.where(self.truth, 0.0, sorted_weights))[self.ends]
        return true, false


def roc(truth: Bools, probability: Floats, groups: Integers | None = None, draws: int = DRAWS) -> Curve | None:
    """Sensitivity over the share of false alarms.

    Parameters
    ----------
    truth, probability : [n] whether each image has the class, and the probability given to it.
    groups : [n] number of the group that each image belongs to; None draws no band.
    draws : bootstrap samples behind the band.

    Returns
    -------
    The curve, or None where images with the class or without it are missing.
    """
    if not truth.any() or truth.all():
        return None
    ranked = Ranked.of(truth, probability)
    x, y = _roc_points(*ranked.passed(np.ones(len(truth))))
    low, high = _band(ranked, groups, draws, lambda true, false: np.interp(GRID, *_roc_points(true, false)))
    return Curve(x, y, float(np.trapezoid(y, x)), low, high)


def precision_recall(
    truth: Bools, probability: Floats, groups: Integers | None = None, draws: int = DRAWS
) -> Curve | None:
    """Precision over recall, as steps: between two recalls the precision of the higher one holds.

    Parameters, and None, as for :func:`roc`; a curve needs no image without the class.
    """
    if not truth.any():
        return None
    ranked = Ranked.of(truth, probability)
    recall, precision = _precision_points(*ranked.passed(np.ones(len(truth))))
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    low, high = _band(ranked, groups, draws, _precision_on_grid)
    return Curve(recall, precision, area, low, high)


def macro_roc(curves: Sequence[Curve]) -> Curve:
    """The mean of several classes' ROC curves at each share of false alarms, without a band."""
    height = np.mean([np.interp(GRID, curve.x, curve.y) for curve in curves], axis=0)
    # A curve may climb at 0 already, where interpolation takes the top of the climb; the mean starts at the corner.
    x, y = np.append(0.0, GRID), np.append(0.0, height)
    return Curve(x, y, float(np.mean([curve.area for curve in curves])))


def _roc_points(true: Floats, false: Floats) -> tuple[Floats, Floats]:
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def _precision_points(true: Floats, false: Floats) -> tuple[Floats, Floats]:
    """Recall and precision at each threshold that lets at least one image pass."""
    some = true + false > 0
    true, false = true[some], false[some]
    return true / true[-1], true / (true + false)


def _precision_on_grid(true: Floats, false: Floats) -> Floats:
    recall, precision = _precision_points(true, false)
    places = np.searchsorted(recall, GRID, side="left")
    return precision[np.minimum(places, len(recall) - 1)]


def _band(
    ranked: Ranked, groups: Integers | None, draws: int, height: Callable[[Floats, Floats], Floats]
) -> tuple[Floats | None, Floats | None]:
    if groups is None or len(np.unique(groups)) < 2:
        return None, None
    found = []
    count, rng = int(groups.max()) + 1, np.random.default_rng(0)
    for _ in range(draws):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        true, false = ranked.passed(drawn[groups].astype(np.float64))
        # A sample that lost all images of one kind has no curve.
        if true[-1] > 0 and false[-1] > 0:
            found.append(height(true, false))
    if len(found) < 2:
        return None, None
    low, high = np.quantile(found, (0.025, 0.975), axis=0)
    return low, high
