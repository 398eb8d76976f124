"""Structures found, missed and extra: worked by hand, by MONAI's panoptic quality, and over many images."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.metrics.panoptic_quality import compute_panoptic_quality
from scipy.ndimage import label

from medgraft.errors import RunError
from medgraft.evaluation import Structures, detection, structures_of
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.structures import overlaps

drawn = arrays.arrays(np.int32, (6, 8), elements=st.integers(0, 4))


def picture(*rows):
    """Numbers as they stand in the text, a dot for 0."""
    return np.array([[0 if sign == "." else int(sign) for sign in row] for row in rows], np.int32)


def test_parts_that_touch_at_a_corner_are_one_structure():
    mask = picture("11..1", "11.1.", "..1..", ".....", "1...1") > 0
    found = structures_of(mask)
    theirs, count = label(mask, structure=np.ones((3, 3)))
    assert count == 3 and found.max() == 3
    assert len(set(zip(found.ravel().tolist(), theirs.ravel().tolist(), strict=True))) == 4
    assert structures_of(np.zeros((3, 3), bool)).max() == 0


TRUTH = picture("1111.....22", "1111.....22", "...........", "333....4...", "333....4...")
SAID = picture("1111.......", "1111.......", "...........", ".22222.....", ".22.....3.4")


def test_found_missed_and_extra_by_hand():
    # 1 is met exactly. 3 (6 pixels) shares 4 with a predicted one of 7: 4 / 9. 2 and 4 are missed, two dots are extra.
    counts = Structures.of(SAID, TRUTH)
    assert counts == Structures(true=4, predicted=4, found=1, touched=2, shared=1.0)
    assert (counts.missed, counts.extra) == (3, 3)
    scores = counts.scores()
    assert scores == {"structure_f1": 2 / 8, "loose_structure_f1": 4 / 8, "panoptic_quality": 1 / 4}


@pytest.mark.parametrize(
    ("said", "truth", "score"),
    [("...", "...", 1), ("1..", "...", 0), ("...", "1..", 0)],
    ids=["nothing, rightly", "extra alone", "missed"],
)
def test_images_without_a_structure(said, truth, score):
    assert set(Structures.of(picture(said), picture(truth)).scores().values()) == {score}


def test_an_iou_of_exactly_a_half_is_not_above_it():
    assert Structures.of(picture("11.."), picture("1111")).found == 0
    assert Structures.of(picture("111."), picture("1111")).found == 1


def test_one_that_spans_two_is_matched_to_one_of_them_only():
    # It shares 3 / 7 with the first and 3 / 7 with the second; the second has a better one of its own besides.
    counts = Structures.of(picture("1111111", "......."), picture("111.222", "......."))
    assert (counts.touched, counts.missed) == (1, 2)
    both = Structures.of(picture("1111111", "....222"), picture("111.333", "....333"))
    assert both.touched == 2


def test_as_many_as_can_be_are_matched_and_not_the_closest_pair_first():
    # Truth A has 6 pixels, B 2; prediction P has 4 of A and both of B, Q has 2 of A. The closest pair A-P (4 / 8) would
    # leave B without a match; A-Q (2 / 6) and B-P (2 / 6) are two.
    truth, said = picture("11111122"), picture("22111111")
    pairs = overlaps(said, truth)
    assert pairs.iou.max() == 4 / 8
    chosen = pairs.matches(0.1)
    assert sorted(map(tuple, pairs.pairs[chosen].tolist())) == [(0, 1), (1, 0)]
    assert pairs.iou[chosen].tolist() == [2 / 6, 2 / 6]


@given(drawn, drawn, st.sampled_from([0.05, 0.2, 0.5]))
@settings(max_examples=80, deadline=None)
def test_every_way_to_match_tried_out_finds_no_better_one(said, truth, threshold):
    pairs = overlaps(said, truth)
    shared = {tuple(pair): iou for pair, iou in zip(pairs.pairs.tolist(), pairs.iou.tolist(), strict=True)}
    numbers = sorted({true for true, _ in shared})
    best = (0, 0.0)
    for choice in itertools.product([None, 0, 1, 2, 3], repeat=len(numbers)):
        taken = [one for one in choice if one is not None]
        ious = [shared.get((true, one), 0) for true, one in zip(numbers, choice, strict=True) if one is not None]
        if len(set(taken)) == len(taken) and all(iou > threshold for iou in ious):
            best = max(best, (len(ious), sum(ious)))
    chosen = pairs.matches(threshold)
    assert len(chosen) == best[0]
    assert pairs.iou[chosen].sum() == pytest.approx(best[1])
    assert pairs.true == len(set(truth.ravel().tolist()) - {0})


@given(drawn, drawn)
@settings(max_examples=40, deadline=None)
def test_monais_panoptic_quality_is_the_same(said, truth):
    if not (said.any() or truth.any()):
        return
    theirs = compute_panoptic_quality(torch.from_numpy(said), torch.from_numpy(truth), smooth_numerator=0)
    assert Structures.of(said, truth).scores()["panoptic_quality"] == pytest.approx(float(theirs), abs=1e-6)


def test_thousands_of_specks_are_matched_as_they_are_in_a_small_table():
    # 40,000 specks each: a table of all pairs would take gigabytes, so they are sorted instead.
    truth = np.zeros((400, 400), np.int32)
    truth[::2, ::2] = np.arange(1, 40_001).reshape(200, 200)
    said = truth.copy()
    said[:2] = 0
    counts = Structures.of(said, truth)
    assert (counts.true, counts.predicted, counts.found, counts.shared) == (40_000, 39_800, 39_800, 39_800.0)


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        overlaps(picture("11"), picture("111"))


def table(counts, **columns):
    names = ("true", "predicted", "found", "touched", "iou")
    return pd.DataFrame(
        {f"structures_{name}": values for name, values in zip(names, zip(*counts, strict=True), strict=True)} | columns
    )


def test_over_many_images_each_structure_counts_the_same():
    # 10 of 10 in one image, none of 2 in the other with one extra: per image the mean recall is 1/2, over all 10/12.
    found = detection(table([(10, 10, 10, 10, 8.0), (2, 1, 0, 1, 0.0)]))
    assert (found.true, found.predicted, found.found, found.missed, found.extra) == (12, 11, 10, 2, 1)
    assert (found.recall.value, found.precision.value) == (10 / 12, 10 / 11)
    assert found.f1.value == pytest.approx(20 / 23)
    assert found.loose_f1.value == pytest.approx(22 / 23)
    assert found.panoptic_quality.value == pytest.approx(8 / 11.5)
    assert 0 <= found.recall.low <= 10 / 12 <= found.recall.high <= 1 and found.recall.n == 2


def test_the_interval_draws_patients_where_they_are_known():
    rows = [(4, 4, 4, 4, 3.0), (4, 4, 0, 0, 0.0)] * 6
    alone = detection(table(rows), bootstrap=Bootstrap(500)).recall
    together = detection(table(rows, group=["a", "b"] * 6), bootstrap=Bootstrap(500)).recall
    assert together.high - together.low > alone.high - alone.low + 0.2
    one = detection(table(rows, group="a")).recall
    assert one.value == 0.5 and np.isnan(one.low)


def test_where_no_structure_is_there_or_said_shares_are_undefined_and_not_perfect():
    found = detection(table([(0, 0, 0, 0, 0.0)] * 3))
    assert np.isnan(found.recall.value) and np.isnan(found.f1.value) and found.recall.n == 0
    assert np.isnan(detection(table([(1, 1, 1, 1, 1.0)]).iloc[:0]).f1.value)


def test_a_class_of_its_own_and_a_table_of_an_older_version():
    rows = table([(1, 1, 1, 1, 0.9)] * 3).add_suffix("_cup")
    assert detection(rows, "cup").f1.value == 1
    with pytest.raises(RunError, match="evaluate the run again"):
        detection(rows)
