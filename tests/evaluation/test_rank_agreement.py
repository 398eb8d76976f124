"""The weighted tau of a score that foretells a ranking, against sums by hand, and what its interval covers."""

import itertools
import math

import numpy as np
import pytest

from medgraft.evaluation.rank_agreement import rank_agreement


def steady(measured, predicted, images=50):
    """Agreement where neither seeds nor images leave anything to chance."""
    real = np.array(measured, float)[:, None]
    return rank_agreement(real, np.repeat(real[:, :, None], images, axis=2), np.array(predicted, float)[:, None])


def by_hand(first, second):
    """Vigna's tau without ties: pairs weighted by 1 / (rank + 1) of both sources, once by each order."""

    def one(judge):
        ranks = {source: rank for rank, source in enumerate(sorted(range(len(judge)), key=lambda k: -judge[k]))}
        up = down = 0.0
        for a, b in itertools.combinations(range(len(judge)), 2):
            weight = 1 / (ranks[a] + 1) + 1 / (ranks[b] + 1)
            sign = (first[a] - first[b]) * (second[a] - second[b])
            up, down = up + weight * (sign > 0), down + weight * (sign < 0)
        return (up - down) / (up + down)

    return (one(first) + one(second)) / 2


def test_the_same_order_is_one_and_the_opposite_minus_one():
    same, opposite = steady([0.9, 0.8, 0.7, 0.6], [4, 3, 2, 1]), steady([0.9, 0.8, 0.7, 0.6], [1, 2, 3, 4])
    assert (same.tau, same.low, same.high) == pytest.approx((1, 1, 1))
    assert (opposite.tau, opposite.low, opposite.high) == pytest.approx((-1, -1, -1))
    # Of 24 orders one is the right one, and none does worse than the opposite.
    assert (same.chance, same.orders, same.sources) == (pytest.approx(1 / 24), 24, 4) and opposite.chance == 1


def test_a_wrong_first_place_counts_more_than_a_wrong_last_one():
    measured = [0.9, 0.8, 0.7, 0.6]
    top, bottom = steady(measured, [3, 4, 2, 1]), steady(measured, [4, 3, 1, 2])
    assert top.tau == pytest.approx(by_hand(measured, [3, 4, 2, 1]))
    assert bottom.tau == pytest.approx(by_hand(measured, [4, 3, 1, 2]))
    assert top.tau < bottom.tau < 1 and 1 / 24 < bottom.chance < top.chance


def test_the_interval_widens_with_the_noise_of_images_and_of_seeds():
    rng = np.random.default_rng(0)
    real = np.array([[0.9] * 3, [0.8] * 3, [0.7] * 3])
    told = np.array([[3.0], [2.0], [1.0]])
    images = np.repeat((real[:, :1] + rng.normal(0, 0.1, (3, 400)))[:, None, :], 3, axis=1)
    by_images = rank_agreement(real, images, told)
    noisy = real + np.array([[-0.2, 0.2, 0.0], [0.2, -0.1, -0.1], [0.0, -0.1, 0.1]])
    by_seeds = rank_agreement(noisy, np.repeat(noisy[:, :, None], 400, axis=2), told)
    for found in (by_images, by_seeds):
        assert found.tau == pytest.approx(1) == found.high and found.low < 0.5
    assert rank_agreement(real, np.repeat(real[:, :, None], 400, axis=2), told).low == pytest.approx(1)


def test_seeds_spread_as_their_standard_error_says():
    """A score that is undecided between two sources by seeds is turned round as often as a normal draw would be."""
    own = 0.5 + np.random.default_rng(1).normal(0, 0.1, 8)
    error = own.std(ddof=1) / math.sqrt(8)
    real = np.stack([own, np.full(8, own.mean() - error), np.full(8, -1.0)])  # turned round in 16 of 100 draws
    draws = np.repeat(real[:, :, None], 2000, axis=2)
    lows = [rank_agreement(real, draws, [[3.0], [2.0], [1.0]], level=1 - 2 * share).low for share in (0.13, 0.19)]
    assert lows[0] < 1 and lows[1] == pytest.approx(1)


def test_what_tells_nothing_is_undefined():
    assert math.isnan(steady([0.9, 0.8], [2, 1]).tau)
    assert math.isnan(steady([0.9, 0.8, 0.7], [1, 1, 1]).tau)
    assert math.isnan(steady([0.9, 0.8, 0.7], [1, 2, math.nan]).tau)
    ten = steady(range(10), range(10))
    assert ten.tau == pytest.approx(1) and ten.orders == math.factorial(10) and ten.chance < 0.001


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="are wanted"):
        rank_agreement([[1.0], [2.0]], [[1.0], [2.0]], [[1.0], [2.0]])
