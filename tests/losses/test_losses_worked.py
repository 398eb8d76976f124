"""Each loss against numbers worked out by hand."""

import math

import pytest
import torch

from medgraft.losses import BCE, Combo, Dice, Focal, IoU

LOG3 = math.log(3.0)  # sigmoid(log 3) = 3/4


def image(*values: float) -> torch.Tensor:
    """One 2 x 2 image of logits."""
    return torch.tensor(values).reshape(1, 1, 2, 2)


def mask(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8).reshape(1, 2, 2)


# Probabilities 3/4, 3/4, 1/4, 1/4 against truth 1, 0, 0, 0: I = 3/4, P = 2, T = 1, N = 4.
LOGITS = image(LOG3, LOG3, -LOG3, -LOG3)
TRUTH = mask(1, 0, 0, 0)
EMPTY = mask(0, 0, 0, 0)


def test_bce_by_hand():
    # Three pixels are right with 3/4, one is wrong with 3/4.
    expected = -(3 * math.log(0.75) + math.log(0.25)) / 4
    assert BCE()(LOGITS, TRUTH).item() == pytest.approx(expected, abs=1e-6)


def test_dice_by_hand():
    assert Dice(smooth=1.0)(LOGITS, TRUTH).item() == pytest.approx(1 - (2 * 0.75 + 1) / (2 + 1 + 1), abs=1e-6)


def test_iou_by_hand():
    expected = 1 - (0.75 + 1) / (2 + 1 - 0.75 + 1)
    assert IoU(smooth=1.0)(LOGITS, TRUTH).item() == pytest.approx(expected, abs=1e-6)


def test_focal_by_hand():
    right, wrong = (0.25**2) * -math.log(0.75), (0.75**2) * -math.log(0.25)
    expected = (0.3 * right + 0.7 * wrong + 2 * 0.7 * right) / 4
    assert Focal(alpha=0.3, gamma=2.0)(LOGITS, TRUTH).item() == pytest.approx(expected, abs=1e-6)


def test_focal_without_alpha_and_gamma_is_cross_entropy():
    assert Focal(alpha=None, gamma=0.0)(LOGITS, TRUTH).item() == pytest.approx(BCE()(LOGITS, TRUTH).item())


def test_combo_by_hand():
    entropy = -(3 * math.log(0.75) + math.log(0.25)) / 4
    assert Combo(alpha=0.2)(LOGITS, TRUTH).item() == pytest.approx(0.2 * entropy + 0.8 * 0.375, abs=1e-6)


def test_empty_target_by_hand():
    # P = 2 of N = 4: the complement has sum 2.
    assert Dice(smooth=1.0)(LOGITS, EMPTY).item() == pytest.approx(1 - (2 * 2 + 1) / (8 - 2 + 1), abs=1e-6)
    assert IoU(smooth=1.0)(LOGITS, EMPTY).item() == pytest.approx(1 - (2 + 1) / (4 + 1), abs=1e-6)


def test_per_batch_sums_before_it_divides():
    logits, truth = torch.cat([LOGITS, LOGITS]), torch.cat([TRUTH, mask(1, 1, 1, 1)])
    # I = 0.75 + 2, P = 4, T = 5.
    assert Dice(per="batch")(logits, truth).item() == pytest.approx(1 - (2 * 2.75 + 1) / 10, abs=1e-6)
    each = (1 - 2.5 / 4 + 1 - (2 * 2 + 1) / (2 + 4 + 1)) / 2
    assert Dice(per="image")(logits, truth).item() == pytest.approx(each, abs=1e-6)


# Two pixels, three classes, softmax 1/2, 1/4, 1/4 and 1/4, 1/4, 1/2.
CLASS_LOGITS = torch.tensor([[2.0, 1.0], [1.0, 1.0], [1.0, 2.0]]).log().reshape(1, 3, 1, 2)
CLASS_TRUTH = torch.tensor([[[0, 1]]])


def test_multiclass_by_hand():
    assert BCE("multiclass")(CLASS_LOGITS, CLASS_TRUTH).item() == pytest.approx(
        -(math.log(0.5) + math.log(0.25)) / 2, abs=1e-6
    )
    # Class 0: I 1/2, P 3/4, T 1. Class 1: I 1/4, P 1/2, T 1. Class 2 is absent: P 3/4 of N 2.
    dice = 1 - (2 / 2.75 + 1.5 / 2.5 + (2 * 1.25 + 1) / (4 - 0.75 + 1)) / 3
    assert Dice("multiclass")(CLASS_LOGITS, CLASS_TRUTH).item() == pytest.approx(dice, abs=1e-6)
    iou = 1 - (1.5 / 2.25 + 1.25 / 2.25 + (1.25 + 1) / 3) / 3
    assert IoU("multiclass")(CLASS_LOGITS, CLASS_TRUTH).item() == pytest.approx(iou, abs=1e-6)
    focal = (0.7 * 0.5**2 * -math.log(0.5) + 0.3 * 0.75**2 * -math.log(0.25)) / 2
    assert Focal("multiclass", alpha=0.3)(CLASS_LOGITS, CLASS_TRUTH).item() == pytest.approx(focal, abs=1e-6)
