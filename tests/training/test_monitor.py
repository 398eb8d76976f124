"""Dice of a batch: worked cases, and agreement with the evaluation's per-image metric."""

import numpy as np
import pytest
import torch

from medgraft.evaluation import segmentation_row
from medgraft.training import batch_dice


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
