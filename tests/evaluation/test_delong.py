"""DeLong's test: by hand, against literal counts and the jackknife, and with several images a patient."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from medgraft.evaluation import AucDifference, delong


def random_case(seed: int, n: int = 40):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    return positive, np.round(rng.normal(positive), 1), np.round(rng.normal(positive * 0.5), 1)


def literal(positive, first, second, groups):
    """Obuchowski's covariances of both areas, pair by pair and group by group; then those of the difference."""
    kinds = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    m, n = map(len, kinds)
    names = list(dict.fromkeys(groups))
    with_ups = sum(any(positive[i] for i in range(len(groups)) if groups[i] == name) for name in names)
    with_downs = sum(any(not positive[i] for i in range(len(groups)) if groups[i] == name) for name in names)
    areas, x, y = [], np.zeros((2, len(names))), np.zeros((2, len(names)))
    for k, scores in enumerate((first, second)):

        def beats(i, j, scores=scores):
            return float(scores[i] > scores[j]) + 0.5 * float(scores[i] == scores[j])

        areas.append(sum(beats(i, j) for i in kinds[0] for j in kinds[1]) / (m * n))
        for i in kinds[0]:
            x[k, names.index(groups[i])] += sum(beats(i, j) for j in kinds[1]) / n - areas[k]
        for j in kinds[1]:
            y[k, names.index(groups[j])] += sum(beats(i, j) for i in kinds[0]) / m - areas[k]
    covariance = np.zeros((2, 2))
    for k in (0, 1):
        for o in (0, 1):
            ten = with_ups / ((with_ups - 1) * m) * sum(x[k] * x[o])
            one = with_downs / ((with_downs - 1) * n) * sum(y[k] * y[o])
            both = len(names) / (len(names) - 1) * (sum(x[k] * y[o]) + sum(x[o] * y[k]))
            covariance[k, o] = ten / m + one / n + both / (m * n)
    return areas[0] - areas[1], math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def test_by_hand():
    # Positives score 3 and 5 against 1 and 4 by the first: placements 1/2 and 1, and 1 and 1/2. By the second they
    # score 2 and 1 against 3 and 1: 1/2 and 1/4, and 0 and 3/4. The differences are 0 and 3/4, and 1 and -1/4; their
    # mean is 3/8. Around it they spread by 2 (3/8)^2 and 2 (5/8)^2, so the variance is the sum of both over 2.
    found = delong([True, True, False, False], [3, 5, 1, 4], [2, 1, 3, 1])
    assert found.value == pytest.approx(3 / 8)
    assert found.error == pytest.approx(math.sqrt((9 + 25) / 64))
    assert found.z == pytest.approx(3 / math.sqrt(34))
    assert found.p == pytest.approx(2 * stats.norm.sf(3 / math.sqrt(34)))
    assert (found.n, found.groups) == (4, 4)


@pytest.mark.parametrize("seed", range(5))
def test_literal_counts_give_the_same(seed):
    positive, first, second = random_case(seed)
    found = delong(positive, first, second)
    assert (found.value, found.error) == pytest.approx(literal(positive, first, second, list(range(40))))


@pytest.mark.parametrize("seed", range(5))
def test_leaving_out_one_image_at_a_time_gives_the_same(seed):
    # The jackknife of positives and of negatives, each on its own, is DeLong's variance.
    positive, first, second = random_case(seed)

    def difference(rows):
        return roc_auc_score(positive[rows], first[rows]) - roc_auc_score(positive[rows], second[rows])

    variance = 0.0
    for kind in (positive, ~positive):
        left = [difference(np.arange(40) != i) for i in np.flatnonzero(kind)]
        variance += (len(left) - 1) / len(left) * np.sum((left - np.mean(left)) ** 2)
    found = delong(positive, first, second)
    assert found.value == pytest.approx(difference(np.arange(40)))
    assert found.error == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize("seed", range(5))
def test_with_groups_literal_counts_give_the_same(seed):
    positive, first, second = random_case(seed)
    groups = np.random.default_rng(seed + 50).integers(14, size=40)
    found = delong(positive, first, second, groups)
    assert (found.value, found.error) == pytest.approx(literal(positive, first, second, groups.tolist()))
    assert found.groups == len(set(groups.tolist()))
    assert found.error != pytest.approx(delong(positive, first, second).error, rel=0.01)


def test_groups_of_one_image_and_missing_ones_are_no_groups():
    positive, first, second = random_case(7)
    expected = delong(positive, first, second)
    for groups in ([f"p{i}" for i in range(40)], [None] * 40):
        found = delong(positive, first, second, groups)
        assert (found.value, found.error, found.groups) == pytest.approx((expected.value, expected.error, 40))


def test_copies_in_one_group_do_not_make_the_test_surer():
    positive, first, second = random_case(8)
    once = delong(positive, first, second)
    copied = [np.tile(column, 3) for column in (positive, first, second)]
    grouped = delong(*copied, groups=np.tile(np.arange(40), 3))
    assert (grouped.value, grouped.error) == pytest.approx((once.value, once.error))
    assert delong(*copied).error < 0.7 * once.error


def rejections(by_group: bool) -> float:
    """How often p is below 0.05 where both classifiers are equally good, over 400 studies of 40 patients."""
    found = 0
    for study in range(400):
        rng = np.random.default_rng(study)
        positive = np.repeat(np.arange(40) % 2 == 0, 4)
        first, second = (np.repeat(rng.normal(positive[::4]), 4) + rng.normal(0, 0.2, 160) for _ in range(2))
        groups = np.repeat(np.arange(40), 4) if by_group else None
        found += delong(positive, first, second, groups).p < 0.05
    return found / 400


def test_p_is_small_as_often_as_it_says_only_if_groups_are_known():
    assert 0.02 <= rejections(by_group=True) <= 0.09
    assert rejections(by_group=False) > 0.2


def test_turning_the_comparison_around_turns_its_sign():
    positive, first, second = random_case(9)
    found, turned = delong(positive, first, second), delong(positive, second, first)
    assert (turned.value, turned.error, turned.z) == pytest.approx((-found.value, found.error, -found.z))
    assert turned.p == pytest.approx(found.p)


def test_folds_are_averaged_as_independent():
    positive, first, second = random_case(10)
    folds = np.arange(40) % 2
    parts = [delong(positive[folds == f], first[folds == f], second[folds == f]) for f in (0, 1)]
    # Scores of the second fold on another scale: within folds that does not matter.
    shifted = [scores + 100 * folds for scores in (first, second)]
    found = delong(positive, *shifted, folds=folds)
    assert found.value == pytest.approx((parts[0].value + parts[1].value) / 2)
    assert found.error == pytest.approx(math.hypot(parts[0].error, parts[1].error) / 2)
    assert found.n == 40


def test_a_fold_of_one_kind_is_left_out():
    positive, first, second = random_case(11)
    folds = np.where(positive, 0, np.arange(40) % 2)
    kept = folds == 0
    expected = delong(positive[kept], first[kept], second[kept])
    found = delong(positive, first, second, folds=folds)
    assert (found.value, found.error) == pytest.approx((expected.value, expected.error))


def test_a_classifier_against_itself_is_no_different():
    positive, first, _ = random_case(12)
    found = delong(positive, first, np.exp(first))
    assert found.value == 0
    assert math.isnan(found.z)
    assert found.p == 1


@pytest.mark.parametrize(
    ("positive", "first", "second"),
    [
        ([True, True, False, False], [3, 4, 1, 2], [1, 1, 1, 1]),
        ([True, False, False, False], [3, 4, 1, 2], [1, 2, 3, 4]),
        ([True, True, True, True], [3, 4, 1, 2], [1, 2, 3, 4]),
    ],
    ids=["perfect against none", "one positive", "one kind"],
)
def test_where_chance_cannot_be_told_there_is_no_p(positive, first, second):
    found = delong(positive, first, second)
    assert math.isnan(found.p)
    assert math.isnan(found.z)


def test_one_group_of_either_kind_gives_no_error():
    found = delong([True, True, False, False], [3, 4, 1, 5], [1, 2, 3, 1], groups=["x", "x", "y", "z"])
    assert found.value == pytest.approx(0.75 - 0.375 - 0.25)
    assert math.isnan(found.error)
    assert found.groups == 3


def test_p_of_large_differences_is_not_rounded_to_0():
    assert AucDifference(0.5, 0.05, 100, 100).p == pytest.approx(2 * stats.norm.sf(10), rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: delong([True, False], [1, 2, 3], [1, 2]),
        lambda: delong([True, False], [1, 2], [1]),
        lambda: delong([True, False], [1, np.nan], [1, 2]),
        lambda: delong([True, False], [1, 2], [1, 2], groups=["a"]),
    ],
)
def test_input_that_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match="wanted"):
        call()
