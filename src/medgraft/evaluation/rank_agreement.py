"""How well a score that needs no training foretold which source does best: weighted Kendall tau, and how sure it is.

The weighted tau counts pairs of sources that both orders rank alike less those that they rank the other way round, and
a pair among the best counts more than one among the worst (Vigna 2015: a source of rank r has the weight 1 / (r + 1),
ranks from 0, by either order in turn). It is 1 where both orders are the same and -1 where they are opposite.

Two different things are uncertain about it. What was measured would have come out otherwise with other test images and
other seeds: the interval is over these. And a few sources agree by luck: of four sources an order drawn at random is
the right one in one of 24 cases. That is ``chance``, and it is exact where orders are few. Neither says how the score
would do on sources that were not measured.

References
----------
Vigna (2015), A weighted correlation index for rankings with ties, WWW '15. The use for transferability scores is that
of You, Liu, Wang & Long (2021), arXiv:2102.11005.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import weightedtau

Floats = NDArray[np.float64]

LEAST = 3
"""Of two sources tau is 1 or -1, and says nothing."""
ALL_ORDERS = 7
"""Up to so many sources every order is looked at, beyond that :data:`DRAWN` of them."""
DRAWN = 1000
ROUNDING = 1e-12


@dataclass(frozen=True)
class RankAgreement:
    """A score's agreement with what was measured.

    Attributes
    ----------
    tau : weighted Kendall tau; NaN for fewer than :data:`LEAST` sources, or where all have the same score.
    low, high : its interval over test images and seeds; NaN where nothing was drawn.
    chance : the share of all orders of the sources whose tau is as high: how often luck does as well.
    orders : how many orders there are.
    sources : how many were ranked.
    """

    tau: float
    low: float
    high: float
    chance: float
    orders: int
    sources: int
    level: float = 0.95


def rank_agreement(
    measured: ArrayLike, draws: ArrayLike, predicted: ArrayLike, seed: int = 0, level: float = 0.95
) -> RankAgreement:
    """Compare the order that a score foretold with the order that was measured.

    Seeds are drawn with replacement for all sources together, and their deviations from the mean are stretched by
    sqrt(S / (S - 1)), as S values drawn from S spread by so much too little. To each draw of seeds belongs one draw of
    the test images, the same for all sources.

    Parameters
    ----------
    measured : [M, S], the score of each source with each seed; higher is better.
    draws : [M, S, B], the same on B resamples of the test images.
    predicted : [M, S], what the score foretold from each seed's training images; or [M, 1] where these are the same.
    seed : of the draws.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    real, drawn, told = (np.asarray(values, np.float64) for values in (measured, draws, predicted))
    if real.ndim != 2 or drawn.shape[:2] != real.shape or drawn.ndim != 3 or told.shape[:1] != real.shape[:1]:
        raise ValueError(f"[M, S], [M, S, B] and [M, S] are wanted (got {real.shape}, {drawn.shape}, {told.shape})")
    told = np.broadcast_to(told, real.shape)
    sources = len(real)
    orders = math.factorial(sources)
    if sources < LEAST:
        return RankAgreement(math.nan, math.nan, math.nan, math.nan, orders, sources, level)
    known: dict[tuple[int, ...], float] = {}
    centre, foretold = real.mean(axis=1), told.mean(axis=1)
    tau = _tau(centre, foretold, known)
    if math.isnan(tau):
        return RankAgreement(tau, math.nan, math.nan, math.nan, orders, sources, level)
    found = [_tau(one, other, known) for one, other in _drawn(real, drawn, told, seed)]
    low, high = _ends(np.array(found), tau, level)
    return RankAgreement(tau, low, high, _chance(centre, foretold, tau, known), orders, sources, level)


def _drawn(real: Floats, drawn: Floats, told: Floats, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Measured and foretold means on each draw of seeds and test images."""
    seeds, rng = real.shape[1], np.random.default_rng(seed)
    stretch = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    for number in range(drawn.shape[2]):
        chosen = rng.integers(seeds, size=seeds)
        images = drawn[:, :, number].mean(axis=1)
        yield (
            images + stretch * (real[:, chosen].mean(axis=1) - real.mean(axis=1)),
            told.mean(axis=1) + stretch * (told[:, chosen].mean(axis=1) - told.mean(axis=1)),
        )


def _tau(first: Floats, second: Floats, known: dict[tuple[int, ...], float]) -> float:
    """Tau of two scores; it depends on ranks alone, of which there are few, so each pair is computed once."""
    if np.isnan(first).any() or np.isnan(second).any():
        return math.nan
    ranks = [np.unique(values.round(12), return_inverse=True)[1] for values in (first, second)]
    key = (*ranks[0], *ranks[1])
    if key not in known:
        known[key] = float(weightedtau(*ranks).statistic) if all(row.any() for row in ranks) else math.nan
    return known[key]


def _ends(found: Floats, tau: float, level: float) -> tuple[float, float]:
    """Percentiles; the value itself is never outside, as draws shuffle an order more than they mend it."""
    found = found[~np.isnan(found)]
    if not len(found):
        return math.nan, math.nan
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), tau), max(float(high), tau)


def _chance(centre: Floats, foretold: Floats, tau: float, known: dict[tuple[int, ...], float]) -> float:
    values = [_tau(centre, foretold[list(order)], known) for order in _orders(len(centre))]
    return float(np.mean([value >= tau - ROUNDING for value in values]))


def _orders(sources: int) -> Iterator[tuple[int, ...]]:
    if sources <= ALL_ORDERS:
        yield from itertools.permutations(range(sources))
        return
    rng = np.random.default_rng(0)
    for _ in range(DRAWN):
        yield tuple(int(place) for place in rng.permutation(sources))
