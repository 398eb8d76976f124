"""Distances between outlines: worked by hand, by brute force, by MONAI where it is right, and on empty masks."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.metrics import HausdorffDistanceMetric, SurfaceDiceMetric, SurfaceDistanceMetric
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from medgraft.evaluation import SurfaceScores, surface_scores

masks = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def square(side, top, left, size):
    mask = np.zeros((side, side), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def by_brute_force(prediction, truth, spacing=(1, 1), tolerance=2.0):
    """Every pixel of one outline against every one of the other."""
    one, other = (np.argwhere(mask & ~binary_erosion(mask)) * np.array(spacing) for mask in (prediction, truth))
    table = cdist(one, other)
    there, back = table.min(axis=1), table.min(axis=0)
    both = np.concatenate([there, back])
    return SurfaceScores(
        max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(), (both <= tolerance + 1e-9).mean()
    )


def as_tuple(scores):
    return pytest.approx((scores.hd95, scores.assd, scores.boundary_dice), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("share", [0.005, 0.02, 0.5])
def test_few_and_many_pixels_of_outlines_are_compared_alike(share):
    # Few are looked up in a tree, many in a transform of the whole picture.
    rng = np.random.default_rng(0)
    prediction, truth = rng.random((2, 40, 50)) < share
    for spacing in ((1, 1), (0.7, 1.9)):
        found = surface_scores(prediction, truth, spacing)
        assert (found.hd95, found.assd, found.boundary_dice) == as_tuple(by_brute_force(prediction, truth, spacing))


def test_two_points_lie_as_far_apart_as_pythagoras_says():
    prediction, truth = np.zeros((2, 10, 10), bool)
    prediction[1, 1], truth[4, 5] = True, True
    assert surface_scores(prediction, truth) == SurfaceScores(5, 5, 0)
    assert surface_scores(prediction, truth, tolerance=5) == SurfaceScores(5, 5, 1)
    # Rows of 2 mm and columns of 0.5 mm: 6 mm down and 2 mm across.
    assert surface_scores(prediction, truth, (2, 0.5)).assd == pytest.approx(math.sqrt(40))


def test_a_square_shifted_by_one_column():
    # Its outline is 8 pixels. Of the shifted ones 4 lie on the other outline, the middle of the left column is 1 beside
    # it, inside, and the right column's 3 are 1 beside it, outside; and the same the other way round.
    scores = surface_scores(square(8, 2, 3, 3), square(8, 2, 2, 3))
    assert scores == SurfaceScores(1, pytest.approx(8 / 16), 1)
    assert surface_scores(square(8, 2, 3, 3), square(8, 2, 2, 3), tolerance=0.5).boundary_dice == 8 / 16


def test_a_few_far_pixels_are_left_out_of_hd95_and_are_in_the_mean():
    # 100 points on a line, in both; in the prediction 4 more at 50 rows away are below the worst 5%, and 8 are not.
    truth = np.zeros((60, 200), bool)
    truth[5, 50:150] = True
    few, many = truth.copy(), truth.copy()
    few[55, 50:54], many[55, 50:58] = True, True
    assert surface_scores(few, truth).hd95 == 0
    assert surface_scores(few, truth).assd == pytest.approx(4 * 50 / 204)
    assert surface_scores(many, truth).hd95 == 50


def test_hd95_is_of_the_worse_direction_and_not_of_both_directions_together():
    # The truth has a second part that the prediction lacks: 6 of its 66 pixels, of all 126 together less than 5%.
    truth = np.zeros((40, 80), bool)
    truth[2, 2:62] = True
    prediction = truth.copy()
    truth[32, 2:8] = True
    there_and_back = np.concatenate([np.zeros(60), np.zeros(60), np.full(6, 30)])
    assert np.percentile(there_and_back, 95) == 0
    assert surface_scores(prediction, truth).hd95 == 30


def test_pixels_at_the_edge_of_the_image_are_of_the_outline():
    full = np.ones((6, 6), bool)
    assert surface_scores(full, full) == SurfaceScores(0, 0, 1)
    # The middle pixel of 5 x 5 is 2 from every side's middle; the 16 border pixels are 2, sqrt 5 or sqrt 8 from it.
    scores = surface_scores(square(5, 2, 2, 1), np.ones((5, 5), bool))
    assert scores.assd == pytest.approx((2 + 4 * 2 + 8 * math.sqrt(5) + 4 * math.sqrt(8)) / 17)
    assert scores.hd95 == pytest.approx(math.sqrt(8))
    assert scores.boundary_dice == 5 / 17


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.7), (2.0, 0.5)])
def test_a_miss_is_the_images_diagonal_worse_than_any_answer(spacing):
    there, nothing = square(20, 3, 3, 4), np.zeros((20, 20), bool)
    diagonal = math.hypot(20 * spacing[0], 20 * spacing[1])
    for prediction, truth in ((nothing, there), (there, nothing)):
        assert surface_scores(prediction, truth, spacing) == SurfaceScores(diagonal, diagonal, 0)
    assert surface_scores(nothing, nothing, spacing) == SurfaceScores(0, 0, 1)
    opposite = surface_scores(square(20, 0, 0, 1), square(20, 19, 19, 1), spacing)
    assert opposite.hd95 < diagonal


def test_on_an_image_of_one_pixel_a_miss_is_no_perfect_score():
    assert surface_scores(np.zeros((1, 1), bool), np.ones((1, 1), bool)).hd95 > 0


@given(st.data(), st.sampled_from([(1.0, 1.0), (0.3, 0.3), (2.5, 0.7)]))
@settings(max_examples=60, deadline=None)
def test_every_pair_of_pixels_compared_gives_the_same(data, spacing):
    truth = data.draw(masks)
    prediction = data.draw(arrays.arrays(bool, truth.shape))
    found = surface_scores(prediction, truth, spacing)
    assert (found.hd95, found.assd, found.boundary_dice) == as_tuple(surface_scores(truth, prediction, spacing))
    if truth.any() and prediction.any():
        assert (found.hd95, found.assd, found.boundary_dice) == as_tuple(by_brute_force(prediction, truth, spacing))


def blobs(seed, shape=(160, 200)):
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    discs = [
        np.hypot(rows - y, columns - x) < r
        for y, x, r in zip(rng.uniform(20, 140, 4), rng.uniform(20, 180, 4), rng.uniform(5, 30, 4), strict=True)
    ]
    return np.any(discs, axis=0)


def monai(metric, *pairs):
    for prediction, truth in pairs:
        metric(y_pred=torch.from_numpy(prediction[None, None]), y=torch.from_numpy(truth[None, None]))
    return float(metric.aggregate())


@pytest.mark.parametrize("seed", range(3))
def test_monai_gives_the_same_where_both_masks_have_something(seed):
    pair = blobs(seed), blobs(seed + 10)
    found = surface_scores(*pair, tolerance=3)
    assert found.hd95 == pytest.approx(monai(HausdorffDistanceMetric(include_background=True, percentile=95), pair))
    assert found.assd == pytest.approx(monai(SurfaceDistanceMetric(include_background=True, symmetric=True), pair))
    theirs = monai(SurfaceDiceMetric(class_thresholds=[3.0], include_background=True), pair)
    assert found.boundary_dice == pytest.approx(theirs)


def test_two_empty_masks_are_a_right_answer_here_and_drop_out_of_monais_mean():
    # One image is right that nothing is there, in the other the outlines are 4 apart: the mean distance is 2.
    nothing, there, shifted = np.zeros((20, 20), bool), square(20, 3, 3, 1), square(20, 7, 3, 1)
    pairs = [(nothing, nothing), (shifted, there)]
    assert np.mean([surface_scores(*pair).hd95 for pair in pairs]) == 2
    with pytest.warns(UserWarning, match="empty|all 0"):
        assert monai(HausdorffDistanceMetric(include_background=True, percentile=95), *pairs) == 4


@pytest.mark.parametrize("missed", [True, False], ids=["missed", "extra"])
def test_a_miss_counts_here_and_in_monais_mean_it_is_dropped_or_makes_all_infinite(missed):
    nothing, there, shifted = (
        mask[:30] for mask in (np.zeros((40, 40), bool), square(40, 3, 3, 1), square(40, 7, 3, 1))
    )
    pairs = [(nothing, there) if missed else (there, nothing), (shifted, there)]
    # The image is 30 x 40, its diagonal 50; the other image's outlines are 4 apart.
    ours = [surface_scores(*pair) for pair in pairs]
    assert (np.mean([one.hd95 for one in ours]), np.mean([one.assd for one in ours])) == (27, 27)
    with pytest.warns(UserWarning, match="empty|all 0"):
        # As if the missed structure had not been there: the percentile of infinite distances is no number.
        assert monai(HausdorffDistanceMetric(include_background=True, percentile=95), *pairs) == 4
    with pytest.warns(UserWarning, match="empty|all 0"):
        assert monai(SurfaceDistanceMetric(include_background=True, symmetric=True), *pairs) == math.inf


@pytest.mark.parametrize(
    ("shapes", "options", "word"),
    [
        (((4, 4), (4, 5)), {}, "one size"),
        (((4,), (4,)), {}, "one size"),
        (((4, 4), (4, 4)), {"spacing": (0, 1)}, "spacing"),
        (((4, 4), (4, 4)), {"spacing": (1, math.nan)}, "spacing"),
        (((4, 4), (4, 4)), {"tolerance": -1}, "tolerance"),
    ],
)
def test_what_cannot_be_compared_is_refused(shapes, options, word):
    with pytest.raises(ValueError, match=word):
        surface_scores(*(np.ones(shape, bool) for shape in shapes), **options)


def test_a_whole_image_takes_milliseconds():
    pair = [np.kron(blobs(seed, (128, 160)), np.ones((4, 3), bool)) for seed in (0, 1)]
    surface_scores(*pair)
    start = time.process_time()
    for _ in range(5):
        surface_scores(*pair)
    assert (time.process_time() - start) / 5 < 0.1
