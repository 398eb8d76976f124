"""Whether two classifiers' areas under the ROC curve differ by more than chance: DeLong's test, also by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.evaluation.intervals import group_codes
from medgraft.ranking import placements

Floats = NDArray[np.float64]

# Below this a standard error is rounding.
NO_ERROR = 1e-12


@dataclass(frozen=True)
class AucDifference:
    """A difference of two areas under the ROC curve on the same images.

    Attributes
    ----------
    value : the first area minus the second; NaN where there is no positive or no negative.
    error : its standard error; NaN with fewer than two groups of positives or of negatives.
    n : images.
    groups : independent groups of images; n where each image is one.
    """

    value: float
    error: float
    n: int
    groups: int

    @property
    def z(self) -> float:
        """The difference in standard errors; NaN where the error is 0 or undefined."""
        return self.value / self.error if self.error > NO_ERROR else math.nan

    @property
    def p(self) -> float:
        """Two-sided p of the hypothesis that the areas are equal.

        Where the error is 0 it is 1 for areas that are equal. For others (as when one classifier is perfect and
        the other ranks nothing) the normal approximation says nothing, and p is NaN.
        """
        if self.error <= NO_ERROR and abs(self.value) <= NO_ERROR:
            return 1.0
        return math.erfc(abs(self.z) / math.sqrt(2))


def delong(
    positive: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
) -> AucDifference:
    """Compare the areas under the ROC curves of two classifiers on the same images.

    Parameters
    ----------
    positive : [n], whether each image is positive.
    first, second : [n], the scores of either classifier.
    groups : [n], the patient of each image; missing ones stand for themselves. With several images a group the
        variance is that of clustered images; with one each it is DeLong's. None: every image is independent.
    folds : [n], the fold of each image. Then the areas are means over folds of the area within the fold, and
        folds count as independent. None: all images are ranked together.

    Raises
    ------
    ValueError
        If shapes differ or a score is NaN.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837. Obuchowski (1997), Nonparametric analysis of
    clustered ROC curve data, Biometrics 53:567.
    """
    truth = np.asarray(positive).astype(bool)
    scores = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    if truth.ndim != 1 or any(values.shape != truth.shape for values in scores):
        raise ValueError(f"a truth and two scores for each image are wanted (got {truth.shape})")
    codes = group_codes(groups, len(truth))
    strata = np.zeros(len(truth)) if folds is None else np.asarray(folds)
    parts = [strata == fold for fold in np.unique(strata)]
    found = [_difference(truth[rows], [values[rows] for values in scores], codes[rows]) for rows in parts]
    ranked = [(value, variance) for value, variance in found if not math.isnan(value)]
    count = len(np.unique(codes))
    if not ranked:
        return AucDifference(math.nan, math.nan, len(truth), count)
    values, variances = zip(*ranked, strict=True)
    # Clusters of both kinds may give a variance just below 0, by rounding or by chance.
    error = float(np.sqrt(np.maximum(sum(variances), 0.0))) / len(ranked)
    return AucDifference(sum(values) / len(ranked), error, len(truth), count)


def _difference(truth: NDArray[np.bool_], scores: Sequence[Floats], codes: NDArray[np.int64]) -> tuple[float, float]:
    """The difference of both areas among these images, and its variance."""
    if truth.all() or not truth.any():
        return math.nan, math.nan
    (above, below), (other_above, other_below) = (placements(truth, values) for values in scores)
    # The variance of a difference is linear in nothing but the placements' differences.
    ups, downs = above - other_above, below - other_below
    value = float(ups.mean())
    return value, _clustered_variance(ups - value, downs - value, codes[truth], codes[~truth])


def _clustered_variance(
    ups: Floats, downs: Floats, up_codes: NDArray[np.int64], down_codes: NDArray[np.int64]
) -> float:
    """Obuchowski's variance of a mean placement, from the deviations of positives and negatives and their groups.

    Where each image is its own group, no group has both kinds, the last term is 0, and this is DeLong's.
    """
    groups = int(max(up_codes.max(), down_codes.max())) + 1
    m, n = len(ups), len(downs)
    with_ups, with_downs = len(np.unique(up_codes)), len(np.unique(down_codes))
    total = len(np.union1d(up_codes, down_codes))
    if min(with_ups, with_downs) < 2:
        return math.nan
    x = np.bincount(up_codes, weights=ups, minlength=groups)
    y = np.bincount(down_codes, weights=downs, minlength=groups)
    own = with_ups / (with_ups - 1) * (x @ x) / m**2 + with_downs / (with_downs - 1) * (y @ y) / n**2
    return float(own + 2 * total / (total - 1) * (x @ y) / (m * n))
