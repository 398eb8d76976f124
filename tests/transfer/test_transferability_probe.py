"""The probe and the neighbours: scikit-learn as the oracle, patients that must not be their own teachers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from medgraft.errors import DataError
from medgraft.ranking import macro_auc
from medgraft.transfer.transferability import LabelledFeatures, deal_folds, knn, probe
from medgraft.transfer.transferability.logistic import solve_many


def _data(features, labels, groups=None):
    labels = np.asarray(labels)
    if labels.ndim == 2:
        return LabelledFeatures.of(features, labels, groups, "multilabel", labels.shape[1])
    count = int(labels.max()) + 1
    return LabelledFeatures.of(features, labels, groups, "binary" if count == 2 else "multiclass", count)


def _sample(n=60, d=8, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(n, d)) * rng.uniform(0.1, 10, d) + rng.normal(size=d)).astype(np.float32)
    score = (features / features.std(axis=0)) @ rng.normal(size=(d, classes)) + 2 * rng.normal(size=(n, classes))
    return features, score.argmax(axis=1)


def _within(labels, folds, probabilities):
    return np.mean([macro_auc(labels[folds == f], probabilities[folds == f]) for f in np.unique(folds)])


def _sklearn(x, y, penalty):
    scaler = StandardScaler().fit(x.astype(float))
    model = LogisticRegression(C=1 / (penalty * len(y)), max_iter=5000, tol=1e-8).fit(scaler.transform(x), y)
    return lambda new: model.predict_proba(scaler.transform(new.astype(float)))


def _softmax(logits):
    both = np.concatenate([-logits / 2, logits / 2], axis=1) if logits.shape[1] == 1 else logits
    powers = np.exp(both - both.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("d", [5, 150], ids=["more images than features", "more features than images"])
@pytest.mark.parametrize("classes", [2, 3])
def test_many_problems_at_once_are_those_of_scikit_learn_one_by_one(d, classes):
    features, labels = _sample(60, d, classes)
    targets = (labels == 1)[:, None] if classes == 2 else np.eye(classes)[labels]
    rng = np.random.default_rng(1)
    members = rng.random((6, 60)) < 0.6
    penalties = np.array([10.0, 3.0, 1.0, 0.3, 0.1, 0.1])
    logits = solve_many(features, targets.astype(np.float32), members, penalties)
    for found, chosen, penalty in zip(logits, members, penalties, strict=True):
        expected = _sklearn(features[chosen], labels[chosen], penalty)(features)
        np.testing.assert_allclose(_softmax(found.astype(float)), expected, atol=3e-3)


def test_a_batch_too_large_for_memory_is_cut(monkeypatch):
    features, labels = _sample(40, 6)
    targets, members = (labels == 1)[:, None].astype(np.float32), np.random.default_rng(0).random((7, 40)) < 0.7
    whole = solve_many(features, targets, members, np.full(7, 0.5))
    monkeypatch.setattr("medgraft.transfer.transferability.logistic.CELLS_AT_ONCE", 400)
    parts = solve_many(features, targets, members, np.full(7, 0.5))
    np.testing.assert_allclose(1 / (1 + np.exp(-parts)), 1 / (1 + np.exp(-whole)), atol=2e-3)


def test_a_class_that_a_problem_never_sees_is_never_said():
    features, labels = _sample(60, 5, 3)
    members = (labels != 2)[None]
    probability = _softmax(solve_many(features, np.eye(3)[labels].astype(np.float32), members, np.ones(1))[0])
    assert probability[:, 2].max() < 0.01
    nothing = solve_many(features, np.eye(3)[labels].astype(np.float32), np.zeros((1, 60), bool), np.ones(1))
    assert not nothing.any()


def test_the_penalty_is_chosen_inside_the_images_to_learn_from():
    features, labels = _sample(90, 12, 2, seed=2)
    data = _data(features, labels)
    folds = deal_folds(data)
    grid = (10.0, 1.0, 0.1, 0.01)
    found = probe(data, folds, penalties=grid)
    for fold in range(5):
        losses = []
        for penalty in grid:
            inner = 0.0
            for other in set(range(5)) - {fold}:
                learn, ask = (folds != fold) & (folds != other), folds == other
                chances = _sklearn(features[learn], labels[learn], penalty)(features[ask])
                inner += log_loss(labels[ask], chances, normalize=False, labels=[0, 1])
            losses.append(inner)
        assert found.penalties[fold, 0] == grid[int(np.argmin(losses))]
        outside = _sklearn(features[folds != fold], labels[folds != fold], found.penalties[fold, 0])
        np.testing.assert_allclose(found.probabilities[folds == fold], outside(features[folds == fold]), atol=5e-3)


def test_what_an_image_is_said_to_be_does_not_depend_on_its_own_label():
    features, labels = _sample(60, 10, 2, seed=4)
    data = _data(features, labels)
    folds = deal_folds(data)
    spoilt = labels.copy()
    spoilt[folds == 3] = 1 - spoilt[folds == 3]
    before, after = probe(data, folds), probe(_data(features, spoilt), folds)
    assert before.penalties[3] == after.penalties[3]
    np.testing.assert_allclose(before.probabilities[folds == 3], after.probabilities[folds == 3], atol=1e-3)
    assert np.abs(before.probabilities[folds != 3] - after.probabilities[folds != 3]).max() > 0.1


@pytest.mark.parametrize("method", ["probe", "knn"])
def test_features_that_separate_the_classes_give_an_auc_of_one(method):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    data = _data(np.eye(3)[labels] * 8 + rng.normal(size=(90, 3)), labels)
    folds = deal_folds(data)
    found = probe(data, folds).probabilities if method == "probe" else knn(data, folds)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert _within(labels, folds, found) == pytest.approx(1)


def _patients(seed=0, patients=150, each=4, d=200):
    """Images of a patient are alike, and have the patient's label, which is drawn by lot."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    features = rng.normal(size=(patients, d))[patient] + 0.05 * rng.normal(size=(len(patient), d))
    return features, rng.permutation(np.arange(patients) % 2)[patient], patient


@pytest.mark.parametrize("method", ["probe", "knn"])
def test_a_patient_does_not_teach_what_the_patient_is_tested_on(method):
    features, labels, patient = _patients()
    found = []
    for groups in (None, patient):
        data = _data(features, labels, groups)
        folds = deal_folds(data)
        scores = probe(data, folds).probabilities if method == "probe" else knn(data, folds, neighbours=10)
        found.append(_within(labels, folds, scores))
    alone, together = found
    assert alone > 0.97
    assert abs(together - 0.5) < 0.12


def test_several_labels_are_solved_each_on_its_own():
    features, labels = _sample(80, 6, 2, seed=6)
    other = np.random.default_rng(0).permutation(labels)
    both = _data(features, np.stack([labels, other], axis=1))
    folds = deal_folds(both)
    found = probe(both, folds)
    for index, column in enumerate((labels, other)):
        alone = probe(_data(features, column), folds)
        np.testing.assert_allclose(found.probabilities[:, index], alone.probabilities[:, 1], atol=1e-6)
        np.testing.assert_array_equal(found.penalties[:, index], alone.penalties[:, 0])


def test_two_groups_a_class_are_enough_to_be_probed():
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    data = _data(np.random.default_rng(0).normal(size=(8, 3)), labels, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    folds = deal_folds(data, folds=2)
    found = probe(data, folds)
    assert np.isfinite(found.probabilities).all() and (found.penalties == 1.0).all()


def test_neighbours_by_hand():
    # The first image asks; the others lie at angles of 0, 60, 180 and 90 degrees from it, whatever their lengths.
    features = np.array([[2, 0], [0.1, 0], [0.5, np.sqrt(0.75)], [-3, 0], [0, 1]])
    data = _data(features, [0, 0, 1, 1, 0])
    folds = np.array([0, 1, 1, 1, 1])
    np.testing.assert_allclose(knn(data, folds, neighbours=1)[0], [1, 0])
    # Of four others two are asked at most: cosines 1 (class 0) and 0.5 (class 1), which count exp(10) and exp(5).
    near = np.exp([1 / 0.1, 0.5 / 0.1])
    np.testing.assert_allclose(knn(data, folds, neighbours=3)[0], near / near.sum(), rtol=1e-5)
    hot = np.exp([1 / 2, 0.5 / 2])
    np.testing.assert_allclose(knn(data, folds, temperature=2.0)[0], hot / hot.sum(), rtol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_neighbours_see_no_scale(seed, scale):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(40, 5)), np.arange(40) % 2
    data, larger = _data(features, labels), _data(features * scale * rng.uniform(0.5, 2, (40, 1)), labels)
    folds = deal_folds(data)
    np.testing.assert_allclose(knn(data, folds, 5), knn(larger, folds, 5), atol=1e-4)


def test_few_images_have_fewer_neighbours():
    features, labels = _sample(20, 4)
    data = _data(features, labels)
    folds = deal_folds(data)
    # 16 are outside a fold, so at most 8 are asked.
    np.testing.assert_array_equal(knn(data, folds, 200), knn(data, folds, 8))
    assert (knn(data, folds, 200) != knn(data, folds, 4)).any()


def test_features_that_are_no_numbers_are_refused():
    features, labels = _sample(20, 4)
    features[3, 1], features[7] = np.nan, np.inf
    with pytest.raises(DataError, match="the features of 2 of 20 images are no finite numbers"):
        _data(features, labels)
