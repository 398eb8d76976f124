"""Scores of one mask against numbers by hand, two libraries, and the policy on empty masks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.metrics import DiceMetric
from sklearn.metrics import f1_score, jaccard_score, recall_score

from medgraft.evaluation import COUNTS, METRICS, metric_columns, segmentation_row

BINARY = ("background", "lesion")
THREE = ("background", "disc", "cup")
OVERLAPS = ("dice", "jaccard", "thresholded_jaccard", "sensitivity", "specificity")
IN_PIXELS = tuple(metric for metric in METRICS if not metric.endswith("_mm"))

masks = arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 1))


def rows_of(true: int, predicted: int, shared: int, pixels: int = 100):
    """A pair of masks with these counts."""
    truth, prediction = np.zeros(pixels, np.uint8), np.zeros(pixels, np.uint8)
    truth[:true] = 1
    prediction[true - shared : true - shared + predicted] = 1
    return segmentation_row(prediction.reshape(10, -1), truth.reshape(10, -1), BINARY)


def test_worked_case():
    # 20 true, 30 predicted, 15 shared, 100 pixels.
    row = rows_of(20, 30, 15)
    assert {name: row[name] for name in OVERLAPS} == {
        "dice": pytest.approx(30 / 50),
        "jaccard": pytest.approx(15 / 35),
        "thresholded_jaccard": 0.0,
        "sensitivity": pytest.approx(15 / 20),
        "specificity": pytest.approx(65 / 80),
    }
    assert (row["pixels_true"], row["pixels_predicted"]) == (20, 30)
    assert tuple(row) == (*IN_PIXELS, *COUNTS)


def test_distances_are_in_mm_where_the_size_of_a_pixel_is_known_and_in_pixels_else():
    # Two columns of a pixel's width, three columns apart; rows of 2 mm, columns of 0.5 mm.
    truth, prediction = np.zeros((2, 8, 8), np.uint8)
    truth[:, 1], prediction[:, 4] = 1, 1
    pixels, body = segmentation_row(prediction, truth, BINARY), segmentation_row(prediction, truth, BINARY, (2, 0.5))
    assert (pixels["hd95_px"], pixels["assd_px"], pixels["boundary_dice_px"]) == (3, 3, 0)
    assert (body["hd95_mm"], body["assd_mm"], body["boundary_dice_mm"]) == (1.5, 1.5, 1)
    assert not [name for name in pixels if name.endswith("_mm")] and not [name for name in body if name.endswith("_px")]


@pytest.mark.parametrize(("shared", "expected"), [(64, 0.0), (65, 0.65), (66, 0.66)])
def test_thresholded_jaccard_is_zero_below_065(shared, expected):
    row = rows_of(100, shared, shared)
    assert row["jaccard"] == pytest.approx(shared / 100)
    assert row["thresholded_jaccard"] == pytest.approx(expected)


NAN = math.nan


@pytest.mark.parametrize(
    ("true", "predicted", "expected"),
    [
        (0, 0, (1, 1, 1, NAN, 1)),
        (0, 9, (0, 0, 0, NAN, 0.91)),
        (9, 0, (0, 0, 0, 0, 1)),
        (100, 100, (1, 1, 1, 1, NAN)),
    ],
    ids=["both empty", "blob on nothing", "missed", "full"],
)
def test_policy_on_empty_and_full_masks(true, predicted, expected):
    row = rows_of(true, predicted, min(true, predicted))
    found = {name: row[name] for name in OVERLAPS}
    assert found == pytest.approx(dict(zip(OVERLAPS, expected, strict=True)), nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_sklearn_gives_the_same(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = rng.integers(0, 2, (2, 13, 17)).astype(np.uint8)
    row, t, p = segmentation_row(prediction, truth, BINARY), truth.ravel(), prediction.ravel()
    assert row["dice"] == pytest.approx(f1_score(t, p))
    assert row["jaccard"] == pytest.approx(jaccard_score(t, p))
    assert row["sensitivity"] == pytest.approx(recall_score(t, p))
    assert row["specificity"] == pytest.approx(recall_score(t, p, pos_label=0))


def test_monai_gives_the_same_dice_of_each_class():
    rng = np.random.default_rng(7)
    truth, prediction = rng.integers(0, 3, (2, 13, 17))

    def planes(mask):
        return torch.nn.functional.one_hot(torch.from_numpy(mask), 3).movedim(-1, 0)[None]

    theirs = DiceMetric(include_background=False)(planes(prediction), planes(truth))[0]
    row = segmentation_row(prediction, truth, THREE)
    assert [row["dice_disc"], row["dice_cup"]] == pytest.approx(theirs.tolist())
    assert row["dice"] == pytest.approx(theirs.mean().item())


def test_multiclass_by_hand():
    truth = np.array([[0, 0, 1, 1], [2, 2, 2, 2]])
    prediction = np.array([[0, 1, 1, 1], [2, 2, 0, 0]])
    row = segmentation_row(prediction, truth, THREE)
    assert row["dice_disc"] == pytest.approx(4 / 5)
    assert row["dice_cup"] == pytest.approx(4 / 6)
    assert row["dice"] == pytest.approx((4 / 5 + 4 / 6) / 2)
    assert row["thresholded_jaccard"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["specificity_disc"] == pytest.approx(5 / 6)
    # From the disc's three predicted pixels it is 0, 0, 1 to the true ones (95th percentile: rank 1.9 of 0 to 2), from
    # the cup's four true ones 0, 0, 1, 2 (rank 2.85 of 0 to 3). Distances are means over classes, counts are sums.
    assert (row["hd95_px_disc"], row["hd95_px_cup"]) == (pytest.approx(0.9), pytest.approx(1.85))
    assert row["hd95_px"] == pytest.approx((0.9 + 1.85) / 2)
    assert (row["pixels_true"], row["pixels_predicted"], row["structures_true"]) == (6, 5, 2)
    columns = (*IN_PIXELS, *COUNTS)
    assert set(row) == {*columns, *(f"{column}_{name}" for column in columns for name in THREE[1:])}


def test_an_image_whose_structure_is_missed_has_the_worst_scores_and_none_that_is_undefined_but_of_no_truth():
    row = rows_of(9, 0, 0)
    assert (row["hd95_px"], row["assd_px"], row["boundary_dice_px"]) == (math.hypot(10, 10), math.hypot(10, 10), 0)
    assert (row["structure_f1"], row["loose_structure_f1"], row["panoptic_quality"]) == (0, 0, 0)
    nothing = rows_of(0, 0, 0)
    assert (nothing["hd95_px"], nothing["assd_px"], nothing["boundary_dice_px"], nothing["structure_f1"]) == (
        0,
        0,
        1,
        1,
    )


def test_a_class_that_is_nowhere_is_left_out_of_the_mean_sensitivity():
    truth = np.array([[0, 1, 1, 1]])
    row = segmentation_row(np.array([[0, 0, 1, 1]]), truth, THREE)
    assert math.isnan(row["sensitivity_cup"])
    assert row["sensitivity"] == pytest.approx(2 / 3)
    assert row["dice_cup"] == 1.0
    assert row["dice"] == pytest.approx((4 / 5 + 1) / 2)


@given(st.data())
def test_relations_between_the_metrics(data):
    truth = data.draw(masks)
    prediction = data.draw(arrays.arrays(np.uint8, truth.shape, elements=st.integers(0, 1)))
    row = segmentation_row(prediction, truth, BINARY)
    assert row["dice"] == pytest.approx(2 * row["jaccard"] / (1 + row["jaccard"]))
    assert all(math.isnan(row[name]) or 0 <= row[name] <= 1 for name in OVERLAPS)
    assert not any(math.isnan(row[name]) for name in IN_PIXELS if name not in OVERLAPS)
    swapped = segmentation_row(truth, prediction, BINARY)
    assert swapped["dice"] == row["dice"]
    turned = segmentation_row(1 - prediction, 1 - truth, BINARY)
    assert turned["sensitivity"] == pytest.approx(row["specificity"], nan_ok=True)


@pytest.mark.parametrize(
    ("prediction", "truth", "word"),
    [
        (np.zeros((4, 4), int), np.zeros((4, 5), int), "one size"),
        (np.zeros(4, int), np.zeros(4, int), "one size"),
        (np.zeros((0, 4), int), np.zeros((0, 4), int), "one size"),
        (np.zeros((4, 4)), np.zeros((4, 4), int), "integer"),
        (np.zeros((4, 4), int), np.full((4, 4), 255), "truth.*255"),
        (np.full((4, 4), -1), np.zeros((4, 4), int), "prediction.*-1"),
    ],
)
def test_masks_that_do_not_fit_are_refused(prediction, truth, word):
    with pytest.raises(ValueError, match=word):
        segmentation_row(prediction, truth, BINARY)


def test_metric_columns_are_found_among_others():
    columns = [
        "id",
        "image",
        "dice",
        "dice_optic disc",
        "dices",
        "hd95_px",
        "hd95_px_cup",
        "hd95",
        "pixels_true",
        "structures_found_cup",
        "split",
        "foreground",
        "thresholded_jaccard",
        "group",
    ]
    assert metric_columns(columns) == [
        *("dice", "dice_optic disc", "hd95_px", "hd95_px_cup", "thresholded_jaccard"),
    ]
