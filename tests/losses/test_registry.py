"""Losses by name."""

import pytest
import torch
from torch import nn

from medgraft.errors import RecipeError
from medgraft.losses import BCE, Combo, Dice, Focal, IoU, create, list_losses, register, registry


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_LOSSES", dict(registry._LOSSES))


def test_all_losses_are_listed():
    assert list_losses() == ["bce", "combo", "dice", "focal", "iou"]


@pytest.mark.parametrize(
    ("name", "kind"), [("bce", BCE), ("combo", Combo), ("dice", Dice), ("focal", Focal), ("iou", IoU)]
)
def test_create_gives_each_its_options(name, kind):
    loss = create(name, "multiclass", alpha=0.25, gamma=3.0)
    assert type(loss) is kind
    assert loss.mode == "multiclass"
    assert getattr(loss, "alpha", 0.25) == 0.25
    assert getattr(loss, "gamma", 3.0) == 3.0


def test_unknown_name_suggests_a_near_one():
    with pytest.raises(RecipeError, match="Did you mean dice"):
        create("dise")


def test_a_loss_of_ones_own_is_one_class_and_one_line():
    @register("brier")
    class Brier(nn.Module):
        def forward(self, logits, target):
            return (logits.float().sigmoid()[:, 0] - target.float()).square().mean()

    assert "brier" in list_losses()
    assert isinstance(create("brier", alpha=0.1), Brier)
    value = create("brier")(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.uint8))
    assert value.item() == pytest.approx(0.25)


def test_a_name_is_not_taken_twice():
    with pytest.raises(RecipeError, match="already"):

        @register("dice")
        class Other(nn.Module):
            pass

    assert isinstance(create("dice"), Dice)


def test_a_class_defined_again_replaces_itself():
    def cell(factor):
        @register("mine")
        class Mine(nn.Module):
            scale = factor

        return Mine

    cell(1)
    cell(2)
    assert create("mine").scale == 2
