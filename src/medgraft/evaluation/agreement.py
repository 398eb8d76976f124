"""How well areas or volumes agree: Bland-Altman's bias and limits of agreement.

A model's outline gives a size, and so does the reference. Their differences (predicted less true) say two things that
an overlap does not: whether sizes are too large or too small on the whole (the bias), and within which limits the
difference of a single case lies in 95 of 100 (bias -/+ 1.96 standard deviations of the differences). The slope is that
of the differences over the means of both sizes: a slope of 0.1 says that the prediction grows by 0.1 more, for each
unit that a structure is larger.

Intervals are Student's: of the bias by s / sqrt(n), of a limit by s sqrt(1/n + 1.96^2 / (2 (n - 1))), of the slope that
of least squares. Where a patient has several cases these are too narrow; then patients are drawn (bootstrap).

References
----------
Bland & Altman (1986), Statistical methods for assessing agreement between two methods of clinical measurement, Lancet.
Bland & Altman (1999), Measuring agreement in method comparison studies, Statistical Methods in Medical Research 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgraft.data.formats import file_of
from medgraft.errors import RunError, listing
from medgraft.evaluation.intervals import group_codes
from medgraft.evaluation.resampling import Bootstrap, Codes, resample
from medgraft.scores import Interval

Floats = NDArray[np.float64]

LIMIT = 1.959963984540054
"""So many standard deviations hold 95% of a normal distribution on both sides of its mean."""

_NAMES = ("bias", "lower", "upper", "slope")


@dataclass(frozen=True, eq=False)
class Agreement:
    """How predicted sizes agree with true ones.

    Attributes
    ----------
    true, predicted : [n], the sizes of each case.
    unit : ``pixels`` or ``mm²`` of areas, ``ml`` of volumes; empty where it was not said.
    bias : the mean of the differences, predicted less true.
    lower, upper : the limits of agreement.
    slope : of the differences over the means of both sizes; undefined where all means are the same.
    deviation : the standard deviation of the differences.
    """

    true: Floats
    predicted: Floats
    unit: str
    bias: Interval
    lower: Interval
    upper: Interval
    slope: Interval
    deviation: float

    @property
    def differences(self) -> Floats:
        """[n], predicted less true: upwards in the plot."""
        return self.predicted - self.true

    @property
    def means(self) -> Floats:
        """[n], of true and predicted: to the right in the plot."""
        return (self.predicted + self.true) / 2


def bland_altman(
    true: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike | None = None,
    bootstrap: Bootstrap | None = None,
    unit: str = "",
) -> Agreement:
    """Compare two sizes of the same cases.

    Parameters
    ----------
    true, predicted : [n], in the same order and unit; cases where either is NaN are left out.
    groups : [n], the patient of each case; None: every case is of its own.
    bootstrap : of the intervals, where a patient has several cases; its level holds for all intervals.
    unit : of the sizes, for those who show them.

    Raises
    ------
    ValueError
        If the shapes differ or no case is left.
    """
    one, other = (np.asarray(values, dtype=np.float64) for values in (true, predicted))
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"two sizes of each case are wanted (got {one.shape} and {other.shape})")
    known = ~(np.isnan(one) | np.isnan(other))
    codes = group_codes(groups, len(one))[known]
    one, other = one[known], other[known]
    if not len(one):
        raise ValueError("the sizes of at least one case are wanted")
    codes = pd.factorize(codes)[0].astype(np.int64)
    bootstrap = bootstrap or Bootstrap()
    alone = int(codes.max()) + 1 == len(one)
    found = _by_formula(one, other, bootstrap.level) if alone else _by_drawing(one, other, codes, bootstrap)
    deviation = float(np.std(other - one, ddof=1)) if len(one) > 1 else math.nan
    return Agreement(one, other, unit, **found, deviation=deviation)


def size_agreement(rows: pd.DataFrame, name: str = "", bootstrap: Bootstrap | None = None) -> Agreement:
    """Compare the areas, or of slices the volumes, that predictions and masks have.

    Volumes are taken where every row is a slice of known size and distance to the next: the slices of a file that
    are among the rows, added up. Else the areas of images, in mm² where the size of every pixel is known, in pixels
    where it is not.

    Parameters
    ----------
    rows : of ``predictions.csv``, of the images to be compared.
    name : a class; empty for all of the foreground.
    bootstrap : of the intervals, where a patient has several cases.

    Raises
    ------
    RunError
        If there is no row, or the table has no such columns (of a run that an older version evaluated).
    """
    columns = [f"pixels_{which}_{name}" if name else f"pixels_{which}" for which in ("true", "predicted")]
    lacking = [column for column in columns if column not in rows.columns]
    if lacking or not len(rows):
        what = f"has no column {listing(lacking)}" if lacking else "has no row"
        raise RunError(f"the table of predictions {what}, so sizes cannot be compared; evaluate the run again.")
    pixel, distance = (_complete(rows, column) for column in ("pixel_mm2", "slice_mm"))
    factor, unit = (np.ones(len(rows)), "pixels") if pixel is None else (pixel, "mm²")
    groups = rows["group"].to_numpy() if "group" in rows.columns else None
    codes = group_codes(groups, len(rows))
    sizes = pd.DataFrame({column: rows[column].to_numpy(dtype=np.float64) * factor for column in columns})
    if pixel is not None and distance is not None:
        unit = "ml"
        files = [str(file_of(image)) for image in rows["image"]]
        sizes = (sizes * (distance / 1000)[:, None]).groupby(files, sort=False).sum()
        codes = pd.Series(codes).groupby(files, sort=False).first().to_numpy()
    true, predicted = (sizes[column].to_numpy() for column in columns)
    return bland_altman(true, predicted, codes, bootstrap, unit)


def _complete(rows: pd.DataFrame, column: str) -> Floats | None:
    """[n], where every row has a value."""
    if column not in rows.columns or rows[column].isna().any():
        return None
    return rows[column].to_numpy(dtype=np.float64)


def _by_formula(one: Floats, other: Floats, level: float) -> dict[str, Interval]:
    """Values with Student's intervals, of cases that have nothing to do with each other."""
    n = len(one)
    values = _Sums(one, other, np.arange(n)).values()
    if n < 3:
        return {name: Interval(values[name], math.nan, math.nan, n, level) for name in _NAMES}
    from scipy.stats import t

    difference, mean = other - one, (one + other) / 2
    spread = float(np.std(difference, ddof=1))
    limit = spread * math.sqrt(1 / n + LIMIT**2 / (2 * (n - 1)))
    across = float(np.sum((mean - mean.mean()) ** 2))
    left = difference - difference.mean() - values["slope"] * (mean - mean.mean())
    slope = math.sqrt(float(np.sum(left**2)) / (n - 2) / across) if across else math.nan
    errors = {"bias": (spread / math.sqrt(n), n - 1), "lower": (limit, n - 1), "upper": (limit, n - 1)}
    found = {}
    for name, (error, freedom) in (errors | {"slope": (slope, n - 2)}).items():
        reach = float(t.ppf((1 + level) / 2, freedom)) * error
        found[name] = Interval(values[name], values[name] - reach, values[name] + reach, n, level)
    return found


def _by_drawing(one: Floats, other: Floats, codes: Codes, bootstrap: Bootstrap) -> dict[str, Interval]:
    """Values with percentile intervals, patients being drawn."""
    sums = _Sums(one, other, codes)
    (drawn,) = resample([sums], np.zeros(int(codes.max()) + 1, dtype=np.int64), bootstrap)
    return {name: drawn.interval(name, len(one)) for name in _NAMES}


class _Sums:
    """Bias, limits and slope as functions of how often each patient counts."""

    def __init__(self, one: Floats, other: Floats, codes: Codes) -> None:
        self.images = len(one)
        self._bias = float(np.mean(other - one))
        # Taken from their means, so that sums of squares keep their digits.
        d, m = other - one - self._bias, (one + other) / 2 - float(np.mean(one + other)) / 2
        columns = np.stack([np.ones(len(d)), d, m, d * d, m * m, d * m], axis=1)
        self._sums = np.zeros((int(codes.max()) + 1, columns.shape[1]))
        np.add.at(self._sums, codes, columns)

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each value, [S], for counts [G, S]; NaN where it is undefined."""
        n, d, m, dd, mm, dm = self._sums.T @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = d / n
            spread = np.sqrt(np.where(n > 1, np.maximum(dd - d * bias, 0) / (n - 1), np.nan))
            across = mm - m * m / n
            slope = np.where(across > 1e-12 * np.maximum(mm, 1e-300), (dm - d * m / n) / across, np.nan)
        bias = bias + self._bias
        return {"bias": bias, "lower": bias - LIMIT * spread, "upper": bias + LIMIT * spread, "slope": slope}

    def values(self) -> dict[str, float]:
        """The values of the cases as they are."""
        return {name: float(value[0]) for name, value in self(np.ones((len(self._sums), 1))).items()}
