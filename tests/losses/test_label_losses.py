"""Losses of labels: worked cases, torch as the oracle, and weights that make classes count the same."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from medgraft import losses
from medgraft.errors import RecipeError

LOGITS = torch.tensor([[0.0], [2.0], [-1.0]])
TRUTH = torch.tensor([1, 1, 0])


def test_binary_cross_entropy_worked_by_hand():
    # -log of sigmoid(0) = 1/2, sigmoid(2), 1 - sigmoid(-1) = sigmoid(1).
    wanted = (math.log(2) + math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 3
    assert float(losses.LabelLoss("binary")(LOGITS, TRUTH)) == pytest.approx(wanted, rel=1e-6)


def test_focal_discounts_by_the_square_of_what_is_missing():
    q = 1 / (1 + np.exp([0.0, -2.0, -1.0]))
    wanted = float(np.mean(-((1 - q) ** 2) * np.log(q)))
    assert float(losses.create_label_loss("focal", "binary", gamma=2.0)(LOGITS, TRUTH)) == pytest.approx(
        wanted, rel=1e-5
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.booleans())
def test_weighted_cross_entropy_is_torchs(seed, classes, weighted):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(7, classes, generator=generator)
    truth = torch.randint(classes, (7,), generator=generator)
    weights = torch.rand(classes, generator=generator) + 0.1 if weighted else None
    found = losses.LabelLoss("multiclass", weights)(logits, truth)
    assert float(found) == pytest.approx(float(F.cross_entropy(logits, truth, weights)), rel=1e-5)


def test_several_labels_are_binary_questions_each():
    logits, truth = torch.tensor([[0.0, 2.0], [1.0, -1.0]]), torch.tensor([[1, 0], [0, 0]])
    plain = losses.LabelLoss("multilabel")(logits, truth)
    assert float(plain) == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, truth.float())))
    only_first = losses.LabelLoss("multilabel", torch.tensor([[0.0, 0.0], [1.0, 0.0]]))(logits, truth)
    assert float(only_first) == pytest.approx(math.log(2))


def test_it_is_computed_in_float32_under_autocast():
    logits = torch.full((4, 1), 20.0, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses.LabelLoss("binary")(logits, torch.ones(4, dtype=torch.int64))
    assert found.dtype == torch.float32 and float(found) == pytest.approx(math.log1p(math.exp(-20)), rel=1e-3)


def test_a_perfect_answer_has_a_gradient_under_focal_with_a_small_power():
    logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
    losses.LabelLoss("multiclass", gamma=0.5)(logits, torch.tensor([0])).backward()
    assert torch.isfinite(logits.grad).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=6, max_size=40).filter(lambda labels: len(set(labels)) == 3))
def test_balanced_weights_are_scikit_learns(labels):
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = losses.balanced_weights(torch.tensor(labels), "multiclass", 3)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_balanced_weights_of_several_labels_and_of_what_is_not_there():
    labels = torch.tensor([[1, 0], [0, 0], [0, 0], [0, 0]])
    found = losses.balanced_weights(labels, "multilabel", 2)
    # The first label: absent in 3 of 4, present in 1; the second is never present.
    torch.testing.assert_close(found, torch.tensor([[4 / 6, 0.5], [2.0, 0.0]]))
    assert losses.balanced_weights(torch.tensor([0, 0, 1]), "multiclass", 3).tolist()[2] == 0.0


def test_what_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="no loss 'dice' for labels; there are bce, focal"):
        losses.create_label_loss("dice", "binary")
    with pytest.raises(RecipeError, match="gamma"):
        losses.LabelLoss("binary", gamma=-1)
    with pytest.raises(RecipeError, match="binary, multiclass or multilabel"):
        losses.LabelLoss("ordinal")
