"""Areas under ROC and precision-recall curves: by hand, against sklearn, weighted, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from medgraft.ranking import Ranking, auc, average_precision, macro_auc, placements

# Scores of few values, so that ties within and between both kinds are common.
pairs = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=30)


def random_case(seed: int, values: int = 6, n: int = 40):
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.4, rng.integers(values, size=n) / values, rng


def test_by_hand():
    # Best first: + - (+ -) -; pairs won by the first positive 3, by the second 1 and a tie.
    positive, scores = [True, False, True, False, False], [0.9, 0.8, 0.5, 0.5, 0.1]
    assert auc(positive, scores) == pytest.approx((3 + 1.5) / 6)
    # Precision is 1 at the first positive and 2 of 4 at the second, whose tie is called positive with it.
    assert average_precision(positive, scores) == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("values", [2, 6, 1000])
def test_sklearn_gives_the_same(seed, values):
    positive, scores, _ = random_case(seed, values)
    assert auc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-13)
    assert average_precision(positive, scores) == pytest.approx(average_precision_score(positive, scores), abs=1e-13)


@pytest.mark.parametrize("seed", range(8))
def test_weights_are_those_of_sklearn(seed):
    positive, scores, rng = random_case(seed)
    weights = rng.random((40, 5)) * (rng.random((40, 5)) < 0.7)
    areas, precisions = Ranking(positive, scores).areas(weights)
    for column, (area, precision) in enumerate(zip(areas, precisions, strict=True)):
        weight = weights[:, column]
        assert area == pytest.approx(roc_auc_score(positive, scores, sample_weight=weight), abs=1e-13)
        assert precision == pytest.approx(average_precision_score(positive, scores, sample_weight=weight), abs=1e-13)


def test_a_weight_is_a_number_of_copies():
    positive, scores, rng = random_case(3)
    counts = rng.integers(0, 4, size=40)
    areas, precisions = Ranking(positive, scores).areas(counts[:, None])
    assert areas[0] == pytest.approx(auc(np.repeat(positive, counts), np.repeat(scores, counts)), abs=1e-13)
    copied = average_precision(np.repeat(positive, counts), np.repeat(scores, counts))
    assert precisions[0] == pytest.approx(copied, abs=1e-13)


def test_images_can_share_a_row_of_weights():
    positive, scores, rng = random_case(4)
    groups, weights = rng.integers(10, size=40), rng.integers(0, 3, (10, 6))
    shared = Ranking(positive, scores, groups).areas(weights)
    assert np.allclose(shared, Ranking(positive, scores).areas(weights[groups]), atol=1e-13, equal_nan=True)


def test_areas_are_undefined_where_a_kind_has_no_weight():
    ranking = Ranking([True, True, False], [0.9, 0.2, 0.5])
    areas, precisions = ranking.areas([[1, 0, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]])
    assert np.isnan(areas[:2]).all()
    assert areas[2:].tolist() == [0.0, 0.5]
    assert math.isnan(precisions[1])
    assert precisions[[0, 2]].tolist() == [1.0, 0.5]
    assert ranking.defined
    assert not Ranking([True, True], [0.1, 0.2]).defined


@given(pairs)
def test_only_the_order_of_scores_counts(case):
    positive, scores = (np.array(column) for column in zip(*case, strict=True))
    for area in (auc, average_precision):
        assert area(positive, np.exp(scores) * 2 - 5) == pytest.approx(area(positive, scores), nan_ok=True)


@given(pairs)
def test_exchanging_positives_and_negatives_turns_the_area_around(case):
    positive, scores = (np.array(column) for column in zip(*case, strict=True))
    assert auc(~positive, scores) == pytest.approx(1 - auc(positive, scores), nan_ok=True)
    assert auc(positive, -scores) == pytest.approx(1 - auc(positive, scores), nan_ok=True)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_count(case, random):
    shuffled = random.sample(case, len(case))
    for area in (auc, average_precision):
        assert area(*zip(*shuffled, strict=True)) == pytest.approx(area(*zip(*case, strict=True)), nan_ok=True)


@given(pairs)
def test_placements_are_shares_counted_one_by_one(case):
    positive, scores = (np.array(column) for column in zip(*case, strict=True))
    assume(positive.any() and not positive.all())
    ups, downs = scores[positive], scores[~positive]
    above = [np.mean([(up > down) + (up == down) / 2 for down in downs]) for up in ups]
    below = [np.mean([(up > down) + (up == down) / 2 for up in ups]) for down in downs]
    found = placements(positive, scores)
    assert found[0] == pytest.approx(above)
    assert found[1] == pytest.approx(below)
    assert found[0].mean() == pytest.approx(auc(positive, scores))


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_macro_auc_of_classes_is_that_of_sklearn():
    rng = np.random.default_rng(5)
    truth, scores = rng.integers(4, size=60), softmax(np.round(rng.normal(size=(60, 4)), 1))
    expected = roc_auc_score(truth, scores, multi_class="ovr", average="macro")
    assert macro_auc(truth, scores) == pytest.approx(expected)


def test_macro_auc_of_two_classes_is_that_of_the_second():
    rng = np.random.default_rng(6)
    truth, logit = rng.integers(2, size=30), rng.normal(size=30)
    expected = roc_auc_score(truth, logit)
    assert macro_auc(truth, logit) == pytest.approx(expected)
    assert macro_auc(truth, logit[:, None]) == pytest.approx(expected)
    assert macro_auc(truth, np.stack([np.zeros(30), logit], axis=1)) == pytest.approx(expected)


def test_macro_auc_of_labels_leaves_out_those_that_no_image_or_every_image_has():
    rng = np.random.default_rng(7)
    truth, scores = rng.integers(2, size=(30, 5)), rng.normal(size=(30, 5))
    truth[:, 1], truth[:, 3] = 0, 1
    there = [0, 2, 4]
    assert macro_auc(truth, scores) == pytest.approx(roc_auc_score(truth[:, there], scores[:, there], average="macro"))


def test_macro_auc_is_nan_where_it_is_undefined():
    assert math.isnan(macro_auc([1, 1, 1], [0.1, 0.2, 0.3]))
    assert math.isnan(macro_auc([0, 1], [np.nan, 0.2]))
    assert math.isnan(macro_auc(np.empty(0, int), np.empty((0, 3))))


@pytest.mark.parametrize(
    "call",
    [
        lambda: auc([True, False], [0.1]),
        lambda: auc([True, False], [0.1, np.nan]),
        lambda: auc(np.ones((2, 2)), np.ones((2, 2))),
        lambda: macro_auc([0, 3], np.ones((2, 3))),
        lambda: macro_auc([0, -1], np.ones((2, 3))),
        lambda: macro_auc([0, 1, 1], np.ones((2, 3))),
        lambda: macro_auc(np.ones((2, 4)), np.ones((2, 3))),
        lambda: placements([True, True], [0.1, 0.2]),
    ],
)
def test_input_that_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match="wanted"):
        call()
