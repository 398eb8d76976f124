"""A bootstrap over groups (patients) of images, for figures that are no mean over images and that few images inflate.

A distance between distributions is never negative, so chance adds to it: what is measured on few images is too large.
A draw from these images is by chance further off once more, by about as much. The plain percentiles of the draws would
lie above the figure itself; here they are moved down by the mean excess of the draws, which is told as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """The interval of a figure, and by how much it is too large for the number of images.

    Attributes
    ----------
    low, high : ends of the interval; NaN where a single group leaves nothing to draw from.
    excess : how far the draws lie above the figure in the mean, an estimate of how far the figure lies above what
        ever more images would give; NaN as above.
    """

    low: float
    high: float
    excess: float


def group_codes(groups: npt.ArrayLike | None, count: int) -> Codes:
    """Number the groups of ``count`` images from 0; an image whose group is missing or blank is one of its own.

    Raises ValueError where there is not a group for each image.
    """
    if groups is None:
        return np.arange(count)
    named = pd.Series(np.asarray(groups, dtype=object))
    if len(named) != count:
        raise ValueError(f"a group for each image is wanted (got {len(named)} for {count})")
    codes, known = pd.factorize(named.where(named.astype(str).str.strip() != ""))
    codes = codes.astype(np.int64)
    missing = codes < 0
    codes[missing] = len(known) + np.arange(int(missing.sum()))
    return codes


def draw_groups(count: int, draws: int, rng: np.random.Generator) -> Floats:
    """How often each of ``count`` groups is in each of ``draws`` draws with replacement: [draws, count]."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def spread(value: float, drawn: Floats, level: float) -> Spread:
    """The percentile interval of the draws [n], moved by their mean excess over ``value``; none without draws.

    No end is below 0, as no distance is.
    """
    if not len(drawn):
        return Spread(np.nan, np.nan, np.nan)
    excess = float(drawn.mean() - value)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) - excess
    return Spread(max(0.0, float(low)), max(0.0, float(high)), excess)
