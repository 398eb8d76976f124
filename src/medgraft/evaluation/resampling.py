"""Bootstrap of scores that are no means over images: groups are drawn as weights, all scores from the same draws.

A draw of groups with replacement is a count for each group, and a score of the drawn images is the score weighted
by those counts. So nothing is copied, and many draws are scored at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# Weights of this many cells (rows times draws) fit into a processor's cache.
CELLS_AT_ONCE = 400_000
# Of this share of draws a score must be defined to have an interval.
ENOUGH = 0.5


@dataclass(frozen=True)
class Bootstrap:
    """How often is drawn, which level an interval has, and the seed of the draws.

    Raises
    ------
    ValueError
        If there are no samples or the level is not between 0 and 1.
    """

    samples: int = 2000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 < self.level < 1:
            raise ValueError(
                f"samples from 1 and a level between 0 and 1 are wanted (got {self.samples}, {self.level})"
            )


class Measure(Protocol):
    """Scores as functions of how often each group counts."""

    @property
    def images(self) -> int:
        """How many images are scored."""

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S]; NaN where it is undefined."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Scores of the images as they are, and of each resample.

    Attributes
    ----------
    values : by score, NaN where undefined.
    draws : by score, [samples]; empty where fewer than two groups leave nothing to draw from.
    level : of the intervals.
    """

    values: dict[str, float]
    draws: dict[str, Floats]
    level: float

    def interval(self, name: str, n: int) -> Interval:
        """Return the score of n images with the percentile interval of its resamples."""
        return percentile_interval(self.values[name], self.draws[name], n, self.level)

    def minus(self, other: Resampled, name: str, n: int) -> Interval:
        """Return by how much the score is above that of the other, with the interval of the paired differences."""
        value = self.values[name] - other.values[name]
        return percentile_interval(value, self.draws[name] - other.draws[name], n, self.level)

    def undefined(self, name: str) -> float:
        """Return the share of resamples that lack a score which the images as they are have."""
        if np.isnan(self.values[name]) or not len(self.draws[name]):
            return 0.0
        return float(np.isnan(self.draws[name]).mean())


def resample(measures: Sequence[Measure], strata: Codes, bootstrap: Bootstrap) -> list[Resampled]:
    """Score all measures on the same resamples of their groups.

    Parameters
    ----------
    measures : of the same groups.
    strata : [G], the stratum of each group; each stratum is drawn from on its own, to its own size.
    bootstrap : how it is drawn.
    """
    ones = np.ones((len(strata), 1))
    values = [{name: float(value[0]) for name, value in measure(ones).items()} for measure in measures]
    if len(strata) < 2:
        return [Resampled(found, {name: np.empty(0) for name in found}, bootstrap.level) for found in values]
    step = max(1, CELLS_AT_ONCE // max(measure.images for measure in measures))
    parts: list[list[dict[str, Floats]]] = [[] for _ in measures]
    for counts in group_draws(strata, bootstrap.samples, bootstrap.seed, step):
        for measure, found in zip(measures, parts, strict=True):
            found.append(measure(counts))
    return [
        Resampled(found, {name: np.concatenate([part[name] for part in drawn]) for name in found}, bootstrap.level)
        for found, drawn in zip(values, parts, strict=True)
    ]


def group_draws(strata: Codes, samples: int, seed: int, at_once: int) -> Iterator[Floats]:
    """Yield how often each group is drawn, [G, up to ``at_once``], until there are ``samples`` draws.

    The same seed gives the same draws whatever ``at_once`` is, and with one stratum those of
    :func:`~medgraft.evaluation.intervals.bootstrap_mean`.
    """
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    streams = [np.random.default_rng(seed if len(members) == 1 else (seed, index)) for index in range(len(members))]
    for start in range(0, samples, at_once):
        draws = min(at_once, samples - start)
        counts = np.empty((len(strata), draws))
        for groups, rng in zip(members, streams, strict=True):
            counts[groups] = _counts(rng.integers(len(groups), size=(draws, len(groups))), len(groups))
        yield counts


def percentile_interval(value: float, draws: Floats, n: int, level: float) -> Interval:
    """Return the value between the percentiles of the draws that are defined.

    Where the value is undefined, n is 0; where less than half of the draws are defined, there is no interval.
    """
    nan = float("nan")
    if np.isnan(value):
        return Interval(nan, nan, nan, 0, level)
    defined = draws[~np.isnan(draws)]
    if not len(defined) or len(defined) < ENOUGH * len(draws):
        return Interval(value, nan, nan, n, level)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n, level)


def _counts(drawn: NDArray[np.int64], groups: int) -> NDArray[Any]:
    """[groups, draws], how often each group is in each row of ``drawn`` [draws, n]."""
    draws = len(drawn)
    cells = drawn * draws + np.arange(draws)[:, None]
    return np.bincount(cells.ravel(), minlength=groups * draws).reshape(groups, draws)
