"""The summary says what the optimiser does, of any model, and leaves the model as it was."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from small_models import SmallClassifier, changed, snapshot
from torch import nn

from medgraft.models import EncoderUNet, UNet, create_encoder
from medgraft.pipeline.plan import summary_table
from medgraft.transfer import Strategy, summarise


def test_rows_add_up_and_match_the_optimiser():
    model = EncoderUNet(create_encoder("resnet18"))
    strategy = Strategy.partial(2, lr=1e-3, encoder_lr=1e-4, decay=0.5)
    optimiser = torch.optim.AdamW(strategy.apply(model))
    rows = summarise(model, strategy, 64)
    assert [row.part for row in rows] == [f"encoder {name}" for name in model.encoder.block_names] + ["decoder"]
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in model.parameters())
    rates = {group["part"]: group["lr"] for group in optimiser.param_groups}
    assert {row.part: row.lr for row in rows if row.lr} == rates
    assert rows[-2].shape == (512, 2, 2), "ResNet-18 at stride 32"
    assert rows[-1].shape == (1, 64, 64)
    assert [row.trainable for row in rows] == [row.parameters if row.lr else 0 for row in rows]


def test_a_model_without_an_encoder_is_one_row():
    model = UNet(widths=(4, 8))
    strategy = Strategy.scratch(lr=0.1)
    strategy.apply(model)
    (row,) = summarise(model, strategy, 32)
    assert (row.part, row.shape, row.lr) == ("model", (1, 32, 32), 0.1)
    assert row.parameters == row.trainable == sum(p.numel() for p in model.parameters())


def test_a_classifier_by_hand_with_tokens_and_pooled_features():
    """stem: 4 x 3 x 9 weights and 8 of BatchNorm. plain: 8 x 4 x 9 + 8. mixed: 16 of GroupNorm, 8 x 8, 16 of
    BatchNorm with 1 of its PReLU, 512 of LayerNorm. The head: 2 x 8 + 2."""
    model = SmallClassifier()
    strategy = Strategy.bn_affine(lr=0.1, encoder_lr=0.01, decay=0.5)
    strategy.apply(model)
    rows = [(row.part, row.shape, row.parameters, row.trainable, row.lr) for row in summarise(model, strategy, 32)]
    assert rows == [
        ("encoder stem", (4, 16, 16), 116, 8, 0.005),
        ("encoder plain", (8, 16, 16), 296, 0, 0.0),
        ("encoder mixed", (8, 256), 609, 16 + 16 + 512, 0.01),
        ("encoder pool", (8,), 0, 0, 0.0),
        ("head", (2,), 18, 18, 0.1),
    ]


def test_a_later_epoch_has_the_rates_of_its_stage():
    model, strategy = SmallClassifier(), Strategy.lp_ft(lr=0.1, probe=1, block_lrs=(0.01, 0.02, 0.03))
    groups = strategy.apply(model)
    assert [row.lr for row in summarise(model, strategy, 32)] == [0, 0, 0, 0, 0.1]
    strategy.on_epoch(model, groups, 1)
    later = summarise(model, strategy, 32, epoch=1)
    assert [(row.lr, row.trainable) for row in later] == [(0.01, 116), (0.02, 296), (0.03, 609), (0, 0), (0.1, 18)]


def test_the_model_is_left_as_it_was_and_nothing_is_printed(capsys):
    model, strategy = SmallClassifier().train(), Strategy.partial(1)
    strategy.apply(model)
    model.head.eval()  # a mode of the user's own
    modes = [module.training for module in model.modules()]
    assert True in modes and False in modes
    before, state = snapshot(model), torch.get_rng_state()
    summarise(model, strategy, 32)
    assert changed(before, model) == set()
    assert [module.training for module in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr() == ("", "")


def test_a_model_that_was_summarised_is_not_kept_alive():
    model = SmallClassifier()
    summarise(model, Strategy.frozen(), 32)
    seen = weakref.ref(model.head)
    del model
    gc.collect()
    assert seen() is None


def test_a_model_that_fails_says_why_and_keeps_its_mode():
    class Choosy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 1)

        def forward(self, images):
            raise ValueError("wants 64 pixels")

    model = Choosy().train()
    with pytest.raises(ValueError, match="wants 64 pixels"):
        summarise(model, Strategy.scratch(), 32)
    assert model.training and model.layer.training and not model.layer._forward_hooks


def test_the_table_has_a_trainable_column_and_the_rates():
    model, strategy = SmallClassifier(), Strategy.bn_affine(lr=0.1, encoder_lr=0.01, decay=0.5)
    strategy.apply(model)
    rows = summarise(model, strategy, 32)
    table = summary_table(SimpleNamespace(summary=rows, parameters=1039, trainable=570))
    assert [line.split() for line in table.splitlines()] == [
        ["part", "output", "parameters", "trainable", "rate"],
        ["encoder", "stem", "4", "x", "16", "x", "16", "116", "8", "0.005"],
        ["encoder", "plain", "8", "x", "16", "x", "16", "296", "no", "0"],
        ["encoder", "mixed", "8", "x", "256", "609", "544", "0.01"],
        ["encoder", "pool", "8", "0", "no", "0"],
        ["head", "2", "18", "yes", "0.1"],
        ["total", "1,039", "570"],
    ]
