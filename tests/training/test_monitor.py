"""Dice of a batch: worked cases, and agreement with the evaluation's per-image metric."""

import math

import numpy as np
import pytest
import torch

from medgraft.evaluation import segmentation_row
from medgraft.training import batch_dice, monitor_of


def test_worked_binary_cases():
    masks = torch.zeros(4, 2, 2, dtype=torch.uint8)
    masks[0, 0] = masks[1, 0] = masks[2, 0] = 1
    logits = torch.full((4, 1, 2, 2), -5.0)
    logits[0, 0, 0] = 5.0  # exact: 1
    logits[1, 0, 0, 0] = logits[1, 0, 1, 1] = 5.0  # one of two hit, one beside: 2*1/(2+2) = 0.5; nothing: 0
    assert batch_dice(logits, masks).tolist() == [1.0, 0.5, 0.0, 1.0]


def test_threshold_is_a_probability():
    logits = torch.full((1, 1, 1, 1), float(np.log(0.3 / 0.7)))
    mask = torch.ones(1, 1, 1, dtype=torch.uint8)
    assert batch_dice(logits, mask, 0.31).item() == 0.0
    assert batch_dice(logits, mask, 0.29).item() == 1.0


def test_a_probability_that_just_reaches_the_threshold_is_foreground():
    assert batch_dice(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, dtype=torch.uint8), 0.5).item() == 1.0


@pytest.mark.parametrize("classes", [1, 4])
def test_agrees_with_the_evaluation(classes):
    torch.manual_seed(classes)
    logits = torch.randn(5, classes, 9, 7)
    masks = torch.randint(0, max(2, classes), (5, 9, 7), dtype=torch.uint8)
    masks[0] = 0
    predicted = (logits[:, 0] >= 0).int() if classes == 1 else logits.argmax(1)
    names = ("background", *(f"class{i}" for i in range(1, max(2, classes))))
    expected = [segmentation_row(p.numpy(), m.numpy(), names)["dice"] for p, m in zip(predicted, masks, strict=True)]
    assert batch_dice(logits, masks).tolist() == pytest.approx(expected, abs=1e-6)


def _watched(task, kind, logits, targets):
    monitor = monitor_of(task, kind, 0.5)
    tally = monitor.tally()
    for part in (slice(0, 3), slice(3, None)):
        tally.add(logits[part], targets[part])
    return monitor.key, tally.value()


def test_labels_of_two_classes_are_watched_by_auc():
    logits = torch.tensor([[2.0], [-1.0], [0.5], [0.0], [3.0]])
    # Positives 2.0, 0.0, 3.0 against negatives -1.0, 0.5: 5 of 6 pairs in order.
    assert _watched("classification", "binary", logits, torch.tensor([1, 0, 0, 1, 1])) == ("auc", pytest.approx(5 / 6))


def test_more_classes_are_watched_by_balanced_accuracy():
    logits = torch.eye(3)[[0, 0, 1, 2, 0]]
    # Recall of class 0: 1 of 1, of class 1: 1 of 2, of class 2: 1 of 2.
    key, value = _watched("classification", "multiclass", logits, torch.tensor([0, 1, 1, 2, 2]))
    assert (key, value) == ("balanced_accuracy", pytest.approx(2 / 3))


def test_a_class_that_is_predicted_and_not_there_has_no_recall():
    assert _watched("classification", "multiclass", torch.eye(3)[[0, 2, 2, 1]], torch.tensor([0, 0, 2, 2]))[1] == 0.5


def test_several_labels_are_watched_by_the_mean_auc():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0], [-1.0, 2.0]])
    # First label: every pair in order; second: 2 of 4.
    key, value = _watched("classification", "multilabel", logits, torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1]]))
    assert key == "auc" and value == pytest.approx((1 + 0.5) / 2)


def test_one_class_alone_has_no_auc():
    assert math.isnan(_watched("classification", "binary", torch.zeros(4, 1), torch.ones(4, dtype=torch.int64))[1])


def test_masks_are_watched_by_the_mean_of_their_dice():
    logits, masks = torch.full((4, 1, 2, 2), -1.0), torch.zeros(4, 2, 2, dtype=torch.int64)
    masks[0, 0, 0] = 1
    assert _watched("segmentation", "binary", logits, masks) == ("dice", 0.75)
