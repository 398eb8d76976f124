"""The head that is solved at once: scikit-learn's own pipeline as the oracle, and the choice of the penalty."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from torch import nn

from medgraft.transfer import linear_probe, solve


def _data(n=60, m=40, d=5, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n + m, d)) * rng.uniform(0.1, 10, d) + rng.normal(size=d)).astype(np.float32)
    score = x @ rng.normal(size=(d, classes)) / x.std() + rng.normal(size=(n + m, classes))
    y = score.argmax(1)
    return x[:n], y[:n], x[n:], y[n:]


def _sklearn(x, y, penalty, weights=None):
    scaler = StandardScaler().fit(x.astype(np.float64))
    total = len(y) if weights is None else weights.sum()
    model = LogisticRegression(C=1 / (penalty * total), max_iter=5000, tol=1e-8)
    model.fit(scaler.transform(x.astype(np.float64)), y, sample_weight=weights)
    return lambda new: model.predict_proba(scaler.transform(new.astype(np.float64)))


@pytest.mark.parametrize("d", [5, 200], ids=["more images than features", "more features than images"])
@pytest.mark.parametrize("classes", [2, 3])
def test_each_penalty_gives_scikit_learns_probabilities(d, classes):
    x, y, v, w = _data(d=d, classes=classes)
    kind = "binary" if classes == 2 else "multiclass"
    found = solve(x, y, v, w, kind, classes, penalties=(1.0, 0.1))
    for attempt in found.attempts:
        logits = torch.from_numpy(v @ attempt.weight.T + attempt.bias)
        ours = logits.softmax(1).numpy() if classes == 3 else torch.cat([-logits, logits], 1).sigmoid().numpy()
        theirs = _sklearn(x, y, attempt.penalty)(v)
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
        assert attempt.val_loss == pytest.approx(log_loss(w, theirs), abs=2e-3)


def test_the_penalty_with_the_least_validation_loss_is_kept():
    found = solve(*_data(n=40, m=200, d=8), "binary", 2)
    losses = [attempt.val_loss for attempt in found.attempts]
    assert found.kept == int(np.argmin(losses)) and 0 < found.kept < len(losses) - 1
    penalties = [attempt.penalty for attempt in found.attempts]
    assert penalties == sorted(penalties, reverse=True) and found.best.penalty == penalties[found.kept]
    # Weaker penalties fit the training images ever more closely.
    assert np.all(np.diff([attempt.train_loss for attempt in found.attempts]) < 0)


def test_without_validation_images_a_middle_penalty_is_kept():
    x, y, v, w = _data()
    assert solve(x, y, v[:0], w[:0], "binary", 2).best.penalty == pytest.approx(linear_probe.DEFAULT_PENALTY)


def test_class_weights_are_weights_of_images():
    x, y, v, w = _data(seed=3)
    table = torch.tensor([0.5, 3.0])
    (attempt,) = solve(x, y, v, w, "binary", 2, table, penalties=(0.3,)).attempts
    theirs = _sklearn(x, y, 0.3, table.numpy()[y])(v)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-(v @ attempt.weight.T + attempt.bias)[:, 0])), theirs, atol=2e-3)


def test_several_labels_are_solved_each_on_its_own():
    x, y, v, w = _data(classes=3)
    several, other = np.stack([y == 0, y > 0], 1).astype(np.uint8), np.stack([w == 0, w > 0], 1).astype(np.uint8)
    both = solve(x, several, v, other, "multilabel", 2, penalties=(0.3,)).best
    one = solve(x, several[:, 1].astype(np.int64), v, other[:, 1].astype(np.int64), "binary", 2, penalties=(0.3,)).best
    assert both.weight.shape == (2, 5)
    np.testing.assert_allclose(both.weight[1], one.weight[0], rtol=1e-3, atol=1e-4)


def test_the_head_gets_the_weights_that_were_kept():
    x, y, v, w = _data()
    found, head = solve(x, y, v, w, "binary", 2), nn.Linear(5, 1)
    found.load_into(head)
    np.testing.assert_allclose(
        head(torch.from_numpy(v)).detach().numpy(), v @ found.best.weight.T + found.best.bias, rtol=1e-5
    )


def test_a_feature_that_never_varies_does_no_harm():
    x, y, v, w = _data()
    x[:, 0], v[:, 0] = 7.0, 7.0
    best = solve(x, y, v, w, "binary", 2).best
    assert np.isfinite(best.weight).all() and np.isfinite(best.val_loss)


def test_a_label_that_all_images_or_none_have_is_predicted_by_its_odds():
    x, y, v, w = _data(n=60)
    labels, val = (np.stack([each, np.ones_like(each), np.zeros_like(each)], 1) for each in (y, w))
    best = solve(x, labels, v, val, "multilabel", 3).best
    assert not best.weight[1:].any() and best.weight[0].any()
    np.testing.assert_allclose(best.bias[1:], [np.log(60.5 / 0.5), np.log(0.5 / 60.5)], rtol=1e-6)
