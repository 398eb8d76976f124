"""The same numbers and gradients as other libraries, where the definitions are the same."""

import pytest
import torch
from monai.losses import DiceLoss as MonaiDice
from monai.losses import FocalLoss as MonaiFocal
from segmentation_models_pytorch import losses as smp

from medgraft.losses import BCE, Combo, Dice, Focal, IoU


def example(channels: int):
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(3, channels, 9, 7, generator=generator)
    truth = torch.randint(0, max(channels, 2), (3, 9, 7), generator=generator)
    return logits, truth


def one_hot(truth: torch.Tensor, channels: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(truth, channels).movedim(-1, 1).float()


def agree(ours, theirs, logits, our_truth, their_truth, factor=1.0):
    mine, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    our_value, their_value = ours(mine, our_truth), factor * theirs(other, their_truth)
    torch.testing.assert_close(our_value, their_value.reshape(()), rtol=1e-5, atol=1e-6)
    our_value.backward()
    their_value.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("per", ["image", "batch"])
def test_binary_dice_is_monais(per):
    logits, truth = example(1)
    theirs = MonaiDice(sigmoid=True, smooth_nr=2.0, smooth_dr=2.0, batch=per == "batch")
    agree(Dice(smooth=2.0, per=per), theirs, logits, truth, truth.unsqueeze(1))


@pytest.mark.parametrize("per", ["image", "batch"])
def test_multiclass_dice_is_monais(per):
    logits, truth = example(4)
    theirs = MonaiDice(softmax=True, smooth_nr=2.0, smooth_dr=2.0, batch=per == "batch")
    agree(Dice("multiclass", smooth=2.0, per=per), theirs, logits, truth, one_hot(truth, 4))


@pytest.mark.parametrize("mode", ["binary", "multiclass"])
def test_dice_per_batch_is_smps(mode):
    logits, truth = example(1 if mode == "binary" else 4)
    theirs = smp.DiceLoss(mode, smooth=1.0)
    agree(Dice(mode, smooth=2.0, per="batch"), theirs, logits, truth, truth)


def test_iou_is_monais():
    logits, truth = example(1)
    theirs = MonaiDice(sigmoid=True, jaccard=True, smooth_nr=2.0, smooth_dr=2.0)
    agree(IoU(smooth=1.0), theirs, logits, truth, truth.unsqueeze(1))


@pytest.mark.parametrize("mode", ["binary", "multiclass"])
def test_iou_per_batch_is_smps(mode):
    logits, truth = example(1 if mode == "binary" else 4)
    agree(IoU(mode, smooth=2.0, per="batch"), smp.JaccardLoss(mode, smooth=2.0), logits, truth, truth)


def test_binary_focal_is_smps_and_monais():
    logits, truth = example(1)
    agree(Focal(alpha=0.3), smp.FocalLoss("binary", alpha=0.3, gamma=2.0), logits, truth, truth)
    agree(Focal(alpha=0.3), MonaiFocal(alpha=0.3, gamma=2.0), logits, truth, truth.unsqueeze(1))


def test_multiclass_focal_is_monais_times_the_classes():
    logits, truth = example(4)
    theirs = MonaiFocal(alpha=0.3, gamma=2.0, use_softmax=True)
    agree(Focal("multiclass", alpha=0.3), theirs, logits, truth, one_hot(truth, 4), factor=4.0)


def test_cross_entropy_is_smps():
    logits, truth = example(1)
    agree(BCE(), smp.SoftBCEWithLogitsLoss(), logits, truth, truth.unsqueeze(1).float())
    logits, truth = example(4)
    theirs = smp.SoftCrossEntropyLoss(smooth_factor=0.0)
    agree(BCE("multiclass"), theirs, logits, truth, truth)


def test_combo_is_the_weighted_sum_of_theirs():
    logits, truth = example(1)
    entropy, dice = torch.nn.BCEWithLogitsLoss(), MonaiDice(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)

    def theirs(x, t):
        return 0.3 * entropy(x, t) + 0.7 * dice(x, t)

    agree(Combo(alpha=0.3), theirs, logits, truth, truth.unsqueeze(1).float())


def test_on_an_empty_target_the_others_hardly_move_and_ours_does():
    """The difference that the docstring of Dice states."""
    truth, slopes = torch.zeros(1, 64, 64, dtype=torch.int64), {}
    for name, loss, wanted in [
        ("ours", Dice(), truth),
        ("monai", MonaiDice(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0), truth.unsqueeze(1)),
        ("smp", smp.DiceLoss("binary", smooth=1.0), truth),
    ]:
        logits = torch.ones(1, 1, 64, 64, requires_grad=True)
        loss(logits, wanted).backward()
        slopes[name] = logits.grad.sum().item()
    assert slopes["smp"] == 0
    assert 0 < 100 * slopes["monai"] < slopes["ours"]
