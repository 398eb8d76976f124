"""Intervals of a share (3 of 4) where images come in groups, and where all or none count."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from medgraft.evaluation.intervals import group_codes
from medgraft.scores import Interval

Floats = NDArray[np.float64]


def share_interval(hits: ArrayLike, groups: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Return the share of images that count, with Wilson's score interval for as many images as these are worth.

    A bootstrap of ten images that all count says 1 to 1; Wilson's interval says 0.72 to 1. It takes images for
    independent, so where they come in groups it is given fewer: the number of independent images whose share would
    vary as much as that of these groups does (the design effect: Kish 1965; with Wilson's interval: Dean & Pagano
    2015). Where all or none count no variation can be seen, and each group is worth one image.

    Parameters
    ----------
    hits : [n], whether each image counts.
    groups : [n], as for :func:`~medgraft.evaluation.intervals.bootstrap_mean`.

    Returns
    -------
    Interval
        Its ``n`` is the number of images; all else is NaN where there is none.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22:209.
    """
    counted = np.asarray(hits, dtype=bool)
    codes = group_codes(groups, len(counted))
    sizes = np.bincount(codes, minlength=1).astype(np.float64)
    hits_of = np.bincount(codes, weights=counted, minlength=1).astype(np.float64)
    return interval_of_sums(hits_of, sizes, level)


def interval_of_sums(hits: Floats, sizes: Floats, level: float = 0.95) -> Interval:
    """Return what :func:`share_interval` does, of [groups]: how many images of each count, and how many there are."""
    there = sizes > 0
    n = float(sizes.sum())
    if not n:
        return Interval(math.nan, math.nan, math.nan, 0, level)
    share = float(hits.sum() / n)
    low, high = wilson(share, _worth(hits[there], sizes[there], share), level)
    return Interval(share, low, high, round(n), level)


def wilson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of Wilson's score interval of a share of n independent images (n need not be whole)."""
    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 the end is exactly there, which rounding may miss.
    return (0.0 if share == 0 else max(0.0, middle - half), 1.0 if share == 1 else min(1.0, middle + half))


def _worth(hits: Floats, sizes: Floats, share: float) -> float:
    """How many independent images these groups are worth: from 1 to the number of images."""
    n, groups = float(sizes.sum()), len(sizes)
    if groups == n:
        return n
    if groups == 1 or share in (0.0, 1.0):
        return float(groups)
    variance = groups / (groups - 1) * float(((hits - share * sizes) ** 2).sum()) / n**2
    return min(n, max(1.0, share * (1 - share) / variance)) if variance > 0 else n
