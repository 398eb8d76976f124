"""Wilson's interval: published cases, groups of images, and what it covers."""

import math

import numpy as np
import pytest

from medgraft.evaluation import share_interval
from medgraft.evaluation.shares import wilson


def test_wilson_by_its_formula_and_by_a_published_case():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_a_share_of_independent_images_is_wilsons():
    found = share_interval([1] * 15 + [0] * 133)
    assert (found.low, found.high) == wilson(15 / 148, 148)
    assert found.n == 148


def test_copies_of_images_say_no_more_than_the_images():
    hits = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 1])
    once = share_interval(hits)
    tenfold = share_interval(np.repeat(hits, 10), np.repeat(np.arange(10), 10))
    assert tenfold.value == once.value
    # Ten groups of ten copies are worth about ten images: 9 by the unbiased variance.
    assert (tenfold.low, tenfold.high) == pytest.approx(wilson(0.7, 9))


def test_groups_that_all_count_are_worth_an_image_each():
    found = share_interval(np.ones(40), np.repeat(np.arange(8), 5))
    assert (found.low, found.high) == wilson(1.0, 8)


def test_no_image_has_no_share():
    found = share_interval([])
    assert found.n == 0
    assert math.isnan(found.value)


def test_wilson_covers_what_it_says():
    rng = np.random.default_rng(1)
    for share, n in ((0.9, 20), (0.5, 40)):
        inside = [low <= share <= high for low, high in (wilson(k / n, n) for k in rng.binomial(n, share, 4000))]
        assert 0.92 < np.mean(inside) < 0.98


def test_groups_are_covered_where_images_alone_would_not_be():
    rng = np.random.default_rng(0)
    inside = {"groups": [], "images": []}
    for _ in range(400):
        own = rng.beta(0.7, 0.3, 15)
        hits = (rng.random((15, 6)) < own[:, None]).ravel()
        for name, groups in (("groups", np.repeat(np.arange(15), 6)), ("images", None)):
            found = share_interval(hits, groups)
            inside[name].append(found.low <= 0.7 <= found.high)
    assert np.mean(inside["groups"]) > 0.89
    assert np.mean(inside["images"]) < 0.8
