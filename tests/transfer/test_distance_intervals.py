"""The interval of a domain distance: by groups, about as wide as it says, and honest about few images."""

import numpy as np
import pytest
import torch
from distance_networks import chain, network, norm, pictures

from medgraft.transfer import adapt_statistics
from medgraft.transfer.distance import from_pretraining
from medgraft.transfer.group_bootstrap import draw_groups, spread


def test_the_interval_is_that_of_images_really_drawn_again():
    encoder, images = network(), pictures(6)
    found = from_pretraining(encoder, [images], draws=12, seed=3)
    again = []
    for counts in draw_groups(6, 12, np.random.default_rng(3)).astype(int):
        again.append(from_pretraining(encoder, [np.repeat(images, counts, axis=0)], draws=1).value)
    wanted = spread(found.value, np.array(again), 0.95)
    assert (found.low, found.high, found.excess) == pytest.approx((wanted.low, wanted.high, wanted.excess), abs=1e-5)


def test_groups_are_drawn_whole():
    encoder, images = network(), pictures(8)
    single = from_pretraining(encoder, [images], draws=100)
    repeated = np.repeat(images, 3, axis=0)
    grouped = from_pretraining(encoder, [repeated], np.repeat(list("abcdefgh"), 3), draws=100)
    naive = from_pretraining(encoder, [repeated], draws=100)
    assert (grouped.value, grouped.low, grouped.high) == pytest.approx(
        (single.value, single.low, single.high), rel=1e-4
    )
    assert (grouped.n, grouped.groups, naive.groups) == (24, 8, 24)
    assert naive.high - naive.low < 0.8 * (single.high - single.low)


def test_missing_groups_stand_for_themselves_and_one_group_has_no_interval():
    encoder, images = network(), pictures(4)
    assert from_pretraining(encoder, [images], ["a", None, "", "a"]).groups == 3
    alone = from_pretraining(encoder, [images], ["a"] * 4)
    assert alone.groups == 1 and np.isnan([alone.low, alone.high, alone.excess]).all() and alone.value > 0
    assert alone.to_dict()["low"] is None
    with pytest.raises(ValueError, match="a group for each image"):
        from_pretraining(encoder, [images], ["a"])


def test_the_interval_holds_the_value_narrows_with_images_and_repeats():
    encoder, images = network(), pictures(64)
    # Close to the statistics, where chance can only add to a distance.
    adapt_statistics(encoder, [torch.from_numpy(pictures(64, 9)).permute(0, 3, 1, 2) / 255])
    few, many = (from_pretraining(encoder, [images[:count]], seed=1) for count in (16, 64))
    for found in (few, many):
        assert found.low < found.value < found.high
        assert found.excess > 0
    assert many.high - many.low < 0.7 * (few.high - few.low)
    assert many.excess < few.excess / 2
    assert few == from_pretraining(encoder, [images[:16]], seed=1)
    assert few.high != from_pretraining(encoder, [images[:16]], seed=2).high


def test_the_interval_holds_the_mean_of_such_samples_about_as_often_as_it_says():
    encoder, drawn = chain(norm([0.4] * 3, [0.05] * 3)), []
    for seed in range(80):
        drawn.append(from_pretraining(encoder, [pictures(20, seed, size=2)], draws=200))
    centre = np.mean([found.value for found in drawn])
    held = np.mean([found.low <= centre <= found.high for found in drawn])
    assert 0.85 <= held <= 1, held
    far_more = from_pretraining(encoder, [pictures(4000, 99, size=2)], draws=1).value
    excess = np.mean([found.excess for found in drawn])
    assert excess == pytest.approx(centre - far_more, rel=0.5) and excess > 0
