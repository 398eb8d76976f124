"""Comparisons over seeds and images: worked by hand, and right under the null whichever of the two is the noise."""

import math

import numpy as np
import pytest
from scipy import stats

from medgraft.evaluation.resampling import group_draws
from medgraft.evaluation.seeds import seeded_difference

DRAWS = 200


def test_where_images_do_not_matter_it_is_the_paired_t_test():
    first, second = np.array([0.81, 0.85, 0.80, 0.88]), np.array([0.80, 0.79, 0.81, 0.80])
    # Draws that say nothing: the same on every resample.
    found = seeded_difference(first, second, np.tile(first[:, None], DRAWS), np.tile(second[:, None], DRAWS))
    expected = stats.ttest_rel(first, second)
    assert found.value == pytest.approx(0.035) and found.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.freedom == pytest.approx(3) and found.by_images == pytest.approx(0, abs=1e-20)


def test_both_parts_of_the_variance_by_hand():
    # Differences 0.1 and 0.3 by seed: s^2 = 0.02, over 2 seeds 0.01. Their draws move together by +-0.1: of (-1, 1, -1,
    # 1) / 10 the covariance is 0.04 / 3. The variance is their sum, the degrees of freedom (sum / 0.01)^2.
    draws = np.array([[0.0, 0.2, 0.0, 0.2], [0.2, 0.4, 0.2, 0.4]])
    found = seeded_difference([0.1, 0.3], [0.0, 0.0], draws, np.zeros_like(draws))
    assert found.by_seeds == pytest.approx(0.01) and found.by_images == pytest.approx(0.04 / 3)
    freedom = ((0.01 + 0.04 / 3) / 0.01) ** 2
    assert found.freedom == pytest.approx(freedom)
    t = 0.2 / math.sqrt(0.01 + 0.04 / 3)
    assert found.p == pytest.approx(2 * stats.t.sf(t, freedom))
    assert found.high == pytest.approx(0.2 + stats.t.ppf(0.975, freedom) * math.sqrt(0.01 + 0.04 / 3))


def test_what_a_seed_and_an_image_have_together_gives_no_freedom():
    # One seed moves with the images and the other does not: no covariance, but the mean moves by +-0.05.
    draws = np.array([[0.0, 0.2, 0.0, 0.2], [0.3, 0.3, 0.3, 0.3]])
    found = seeded_difference([0.1, 0.3], [0, 0], draws, np.zeros_like(draws))
    assert found.by_images == pytest.approx(4 * 0.05**2 / 3) and found.freedom == pytest.approx(1)


def test_images_that_move_seeds_apart_do_not_count_as_shared():
    draws = np.array([[0.0, 0.2, 0.0, 0.2], [0.4, 0.2, 0.4, 0.2]])
    assert seeded_difference([0.1, 0.3], [0, 0], draws, np.zeros_like(draws)).by_images == 0


def test_one_seed_speaks_of_images_alone():
    draws = np.random.default_rng(0).normal(0.1, 0.05, (1, 4000))
    found = seeded_difference([0.1], [0.0], draws, np.zeros_like(draws))
    assert found.seeds == 1 and math.isnan(found.by_seeds) and math.isinf(found.freedom)
    assert (found.low, found.high) == pytest.approx((0.1 - 1.96 * 0.05, 0.1 + 1.96 * 0.05), abs=0.004)


def test_seeds_and_draws_that_are_undefined_are_left_out():
    draws = np.array([[0.0, 0.2, 0.0, 0.2, np.nan], [0.2, 0.4, 0.2, 0.4, 0.1], [np.nan] * 5])
    found = seeded_difference([0.1, 0.3, math.nan], [0.0] * 3, draws, np.zeros_like(draws))
    assert found.seeds == 2 and found.by_images == pytest.approx(0.04 / 3)
    nothing = seeded_difference([math.nan], [0.0], np.zeros((1, 3)), np.zeros((1, 3)))
    assert nothing.seeds == 0 and math.isnan(nothing.value) and math.isnan(nothing.p)


def test_where_nothing_was_drawn_nothing_is_said():
    found = seeded_difference([0.1, 0.3], [0, 0], np.empty((2, 0)), np.empty((2, 0)))
    assert found.value == pytest.approx(0.2) and math.isnan(found.p) and math.isnan(found.low)


def test_where_nothing_varies_equal_is_equal():
    same = np.ones((2, 9))
    assert seeded_difference([1, 1], [1, 1], same, same).p == 1
    apart = seeded_difference([1, 1], [0.5, 0.5], same, same / 2)
    assert apart.value == apart.low == apart.high == 0.5 and math.isnan(apart.p)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"scores \[S\]"):
        seeded_difference([0.1], [0.1], np.zeros((2, 3)), np.zeros((2, 3)))


def _rejected(seed_sd, image_sd, own_sd, seeds, groups=40, trials=600, effect=0.0):
    """How often p is below 0.05: differences with noise of the seed, of the image, and of both together."""
    rng = np.random.default_rng(5)
    counts = np.concatenate(list(group_draws(np.zeros(groups, int), DRAWS, 0, DRAWS)), axis=1)
    rejected = 0
    for _ in range(trials):
        by_image = effect + seed_sd * rng.normal(size=(seeds, 1)) + image_sd * rng.normal(size=(1, groups))
        by_image = by_image + own_sd * rng.normal(size=(seeds, groups))
        draws = by_image @ counts / groups
        found = seeded_difference(by_image.mean(1), np.zeros(seeds), draws, np.zeros_like(draws))
        rejected += found.p < 0.05
    return rejected / trials


@pytest.mark.parametrize(
    ("seed_sd", "image_sd", "own_sd", "seeds"),
    [(0.05, 0.0, 0.1, 3), (0.0, 0.3, 0.1, 3), (0.04, 0.25, 0.2, 3), (0.04, 0.25, 0.2, 5), (0.04, 0.25, 0.2, 2)],
)
def test_under_the_null_one_test_in_twenty_rejects_at_most(seed_sd, image_sd, own_sd, seeds):
    # Of 600 trials a share of 0.05 has a standard error of 0.009; two of these above it is 0.068.
    assert _rejected(seed_sd, image_sd, own_sd, seeds) <= 0.068


def test_a_difference_that_is_there_is_found():
    assert _rejected(0.02, 0.25, 0.2, 3, effect=0.25) > 0.8
