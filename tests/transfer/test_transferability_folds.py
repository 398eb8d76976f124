"""Who is measured, on which folds, and on which parts of the patients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import DataError
from medgraft.transfer.transferability import LabelledFeatures, deal_folds, learning_curve, measure, probe
from medgraft.transfer.transferability.folds import nested_ranks


def _data(labels, groups=None, features=None, kind=None, count=None):
    labels = np.asarray(labels)
    features = np.random.default_rng(0).normal(size=(len(labels), 3)) if features is None else features
    count = count or (labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1)
    kind = kind or ("multilabel" if labels.ndim == 2 else "binary" if count == 2 else "multiclass")
    return LabelledFeatures.of(features, labels, groups, kind, count)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(12, 40))
def test_folds_keep_groups_whole_and_classes_apart_evenly(seed, classes, groups):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, groups)
    label_of = rng.permutation(np.arange(groups) % classes)
    group = np.repeat(np.arange(groups), sizes)
    data = _data(label_of[group], group)
    folds = deal_folds(data, seed)
    assert set(folds) == set(range(5))
    assert all(len(set(folds[group == g])) == 1 for g in range(groups))
    for c in range(classes):
        counts = np.bincount(folds[data.labels == c], minlength=5)
        # Dealt to whichever has least, no fold is ahead of another by more than the largest group.
        assert counts.max() - counts.min() <= 3
    np.testing.assert_array_equal(folds, deal_folds(data, seed))


def test_folds_know_labels_and_groups_alone():
    labels, rng = np.arange(60) % 3, np.random.default_rng(1)
    one = deal_folds(_data(labels, features=rng.normal(size=(60, 9))))
    other = deal_folds(_data(labels, features=rng.normal(size=(60, 2))))
    np.testing.assert_array_equal(one, other)
    assert (one != deal_folds(_data(labels), seed=1)).any()


def test_groups_may_be_called_anything():
    names = np.array(["b", "a", "b", "c", "a", "d"], dtype=object)
    data = _data([0, 1, 0, 1, 1, 0], names)
    assert data.groups.tolist() == [1, 0, 1, 2, 0, 3] and data.group_count == 4


def test_a_class_of_one_patient_is_left_out_with_its_images():
    labels, groups = [0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 3, 4, 4, 4]
    data = _data(labels, np.array(groups))
    assert data.classes == (0, 1) and data.left_out == (2,) and data.kind == "binary"
    assert len(data) == 4 and data.group_count == 4 and data.labels.tolist() == [0, 0, 1, 1]
    # A class in the middle leaves no gap in the numbers.
    data = _data([0, 0, 2, 2, 1], None, count=3)
    assert data.classes == (0, 2) and data.labels.tolist() == [0, 0, 1, 1] and data.left_out == (1,)


def test_a_label_that_too_few_have_or_lack_is_left_out():
    table = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    data = _data(table)
    assert data.classes == (0,) and data.left_out == (1, 2) and data.labels.tolist() == [[1], [0], [1], [0]]


@pytest.mark.parametrize(
    ("labels", "groups", "words"),
    [
        ([0, 0, 0, 0], None, "4 training images of 4 patients .* fewer than two classes"),
        ([0, 0, 1, 1], [0, 0, 0, 0], "4 training images of 1 patients .* fewer than two classes"),
        ([0, 0, 1, 1], [0, 1, 2, 2], "fewer than two classes"),
        ([[1, 0], [1, 0]], None, "no label in two groups"),
    ],
)
def test_too_few_to_measure_on_is_said(labels, groups, words):
    with pytest.raises(DataError, match=words):
        _data(labels, None if groups is None else np.array(groups), count=2 if np.ndim(labels) == 1 else None)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_parts_are_nested_whole_and_fair(seed):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(80), rng.integers(1, 4, 80))
    labels = (np.arange(80) % 4 == 0).astype(int)[group]
    data = _data(labels, group)
    folds = deal_folds(data, seed)
    ranks = nested_ranks(data, folds, seed)
    assert all(len(set(ranks[group == g])) == 1 for g in range(80))
    assert ranks.min() > 0 and ranks.max() <= 1
    eighth, half = ranks <= 1 / 8, ranks <= 1 / 2
    assert not (eighth & ~half).any()
    for c, have in ((0, 60), (1, 20)):
        taken = len(set(group[half & (labels == c)]))
        # Each of 5 folds gives half of its groups of the class, rounded up or down.
        assert abs(taken - have / 2) <= 2.5


def _rising(n=160, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return _data(labels, features=rng.normal(size=(n, 30)) + 0.35 * labels[:, None])


def test_a_curve_has_the_sizes_it_says():
    data = _rising()
    folds = deal_folds(data)
    whole = probe(data, folds)
    points = learning_curve(data, folds, whole)
    assert [point.share for point in points] == [1 / 8, 1 / 4, 1 / 2, 1]
    for point in points:
        assert point.images == pytest.approx(160 * 0.8 * point.share, rel=0.15) and point.images == point.groups
    assert [len(point.repeats) for point in points] == [3, 3, 3, 1] and points[-1].repeats[0] is whole
    halves = points[2].repeats
    assert np.abs(halves[0].probabilities - halves[1].probabilities).max() > 0.01


def test_a_rare_class_shortens_the_curve():
    labels = np.r_[np.zeros(100, int), np.ones(9, int)]
    data = _data(labels)
    folds = deal_folds(data)
    whole = probe(data, folds)
    # Half of 9 is 4.5, a quarter too few.
    assert [point.share for point in learning_curve(data, folds, whole)] == [1 / 2, 1]
    small = _data(labels[-12:])
    folds = deal_folds(small)
    assert [point.share for point in learning_curve(small, folds, probe(small, folds))] == [1]


def test_a_measure_is_the_same_again():
    data, told = _rising(80), []
    one, other = measure(data, 3, lambda *steps: told.append(steps)), measure(data, 3)
    assert told == [(step, 6) for step in range(1, 7)]
    np.testing.assert_array_equal(one.probe.probabilities, other.probe.probabilities)
    np.testing.assert_array_equal(one.knn, other.knn)
    assert (one.logme, one.nleep, one.hscore) == (other.logme, other.nleep, other.hscore)
