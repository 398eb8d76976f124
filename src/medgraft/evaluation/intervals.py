"""Bootstrap intervals of means and of paired differences, by image or by group.

Images of one patient resemble each other; an interval that takes them for independent is too narrow. So where
groups are given, whole groups are drawn (the cluster bootstrap: Field & Welsh 2007), and the mean is over the
images drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import RunError, listing
from medgraft.evaluation.metrics import metric_columns
from medgraft.scores import Interval, Scores

Floats = NDArray[np.float64]

SPLIT_ORDER = ("train", "val", "test")
DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class PairedDifference:
    """How one run differs from another on the same images.

    Attributes
    ----------
    interval : the mean difference, with the interval of its paired bootstrap.
    better, equal, worse : on how many images the first run's value is higher, the same, or lower (in a comparison
        of runs, the other way round for metrics that are better the lower they are); for scores that no single
        image has, the value that stands for it (see :func:`~medgraft.evaluation.label_compare.label_findings`).
    """

    interval: Interval
    better: int
    equal: int
    worse: int

    def __str__(self) -> str:
        return f"{self.interval}, better on {self.better} of {self.interval.n}"


def bootstrap_mean(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean of ``values`` with its percentile bootstrap interval.

    Parameters
    ----------
    values : [n], a value an image; NaN (undefined) is left out.
    groups : [n], the patient of each image; a missing one stands for a patient of its own. None: every image
        is.
    samples : bootstrap samples.
    level : of the interval, between 0 and 1.
    seed : of the draws; the same input gives the same interval.

    Returns
    -------
    Interval
        Its ``n`` counts the images whose value is defined. With fewer than two independent images or groups
        there is nothing to draw from, and the ends are NaN.

    Raises
    ------
    ValueError
        If shapes differ or an option is out of range.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    data = _column(values)
    codes = group_codes(groups, len(data))
    if samples < 1 or not 0 < level < 1:
        raise ValueError(f"samples from 1 and a level between 0 and 1 are wanted (got {samples}, {level})")
    defined = ~np.isnan(data)
    n = int(defined.sum())
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, level)
    mean = float(data[defined].mean())
    sums, counts = _cluster_sums(data[defined], codes[defined])
    if len(sums) < 2:
        return Interval(mean, float("nan"), float("nan"), n, level)
    means = _resampled_means(sums, counts, samples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), n, level)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Return the mean of ``first - second``, image by image, with its paired bootstrap interval.

    Parameters
    ----------
    first, second : [n], values of the same images in the same order; pairs with a NaN are left out.
    groups, samples, level, seed : as for :func:`bootstrap_mean`.

    Raises
    ------
    ValueError
        If shapes differ or an option is out of range.
    """
    one, other = _column(first), _column(second)
    if one.shape != other.shape:
        raise ValueError(f"pairs are wanted (got {one.shape[0]} and {other.shape[0]} values)")
    return PairedDifference(bootstrap_mean(one - other, groups, samples, level, seed), *paired_counts(one, other))


def paired_counts(first: Floats, second: Floats) -> tuple[int, int, int]:
    """Return how often the first value is higher, the same (up to rounding), or lower; NaN is none of these."""
    difference = first - second
    # Values read back from text may differ in their last digits.
    equal = np.isclose(first, second, rtol=0, atol=1e-9)
    return int(np.sum((difference > 0) & ~equal)), int(equal.sum()), int(np.sum((difference < 0) & ~equal))


def scores_table(table: pd.DataFrame, samples: int = 2000, level: float = 0.95, seed: int = 0) -> Scores:
    """Summarise rows of images: for each split and metric the mean with its interval.

    Parameters
    ----------
    table : a row an image, with the columns ``split``, the metrics, and ``group`` where patients are known.
    samples, level, seed : as for :func:`bootstrap_mean`.

    Raises
    ------
    RunError
        If there is no ``split`` column or no metric.
    """
    metrics = metric_columns(table.columns)
    if "split" not in table.columns or not metrics:
        raise RunError(
            "scores need a column split and at least one metric; "
            f"this table has {listing(table.columns)}; evaluate the run again."
        )
    parts = {split: table[table["split"] == split] for split in split_names(table)}
    return Scores({split: _summary(rows, metrics, samples, level, seed) for split, rows in parts.items()})


def split_names(table: pd.DataFrame) -> list[str]:
    """Return the splits of a table's rows: train, val and test first; empty where there is no such column."""
    if "split" not in table.columns:
        return []
    found = [str(split) for split in table["split"].dropna().unique()]
    return [split for split in SPLIT_ORDER if split in found] + sorted(set(found) - set(SPLIT_ORDER))


def group_column(table: pd.DataFrame) -> NDArray[Any] | None:
    """Return the groups of a table's rows, or None where none is known."""
    return table["group"].to_numpy() if "group" in table.columns else None


def _summary(rows: pd.DataFrame, metrics: Sequence[str], samples: int, level: float, seed: int) -> dict[str, Interval]:
    groups = group_column(rows)
    return {m: bootstrap_mean(rows[m].to_numpy(), groups, samples, level, seed) for m in metrics}


def _column(values: ArrayLike) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"one value an image is wanted (got shape {data.shape})")
    return data


def group_codes(groups: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Number the groups of n images from 0; an image whose group is missing or blank gets a number of its own."""
    if groups is None:
        return np.arange(n)
    texts = np.array([None if isinstance(g, str) and not g.strip() else g for g in np.asarray(groups, dtype=object)])
    codes, known = pd.factorize(texts)
    if len(codes) != n:
        raise ValueError(f"a group for each image is wanted (got {len(codes)} for {n})")
    codes = codes.astype(np.int64)
    missing = codes < 0
    codes[missing] = len(known) + np.arange(int(missing.sum()))
    return codes


def _cluster_sums(values: Floats, codes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sum and number of the values of each group that has any, in order of first appearance."""
    codes = pd.factorize(codes)[0].astype(np.int64)
    sums = np.bincount(codes, weights=values).astype(np.float64)
    return sums, np.bincount(codes).astype(np.float64)


def _resampled_means(sums: Floats, counts: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Means of ``samples`` draws of groups with replacement, a bounded number of draws in memory at once."""
    groups = len(sums)
    # Where all groups are of one size, the division by the drawn size is one and the same number.
    equal_sizes = bool((counts == counts[0]).all())
    means = np.empty(samples)
    step = max(1, DRAWS_AT_ONCE // groups)
    for start in range(0, samples, step):
        drawn = rng.integers(groups, size=(min(step, samples - start), groups))
        sizes = groups * counts[0] if equal_sizes else counts[drawn].sum(axis=1)
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes
    return means
