"""A recipe's strategy from stage to stage: each option reaches it, and no stage is taken for the one before."""

import pytest
import torch
from torch import nn

from medgraft.models import EncoderUNet, create_encoder
from medgraft.recipe import Recipe
from medgraft.transfer import Strategy


def _model() -> EncoderUNet:
    torch.manual_seed(0)
    return EncoderUNet(create_encoder("tf_efficientnet_lite0"), widths=(16, 16, 8, 8, 8), bottleneck=16)


def test_every_option_of_a_recipe_reaches_its_strategy():
    recipe = Recipe.make(
        strategy="gradual", lr=0.1, encoder_lr=0.01, decay=0.5, block_lrs=(0.02, 0.03), blocks=5, unfreeze_every=7,
        batch_norm="frozen",
    )  # fmt: skip
    assert Strategy.from_recipe(recipe) == Strategy(
        name="gradual", lr=0.1, encoder_lr=0.01, decay=0.5, block_lrs=(0.02, 0.03), blocks=5, every=7,
        batch_norm="frozen",
    )  # fmt: skip


def test_each_stage_has_a_name_of_its_own():
    names = [Strategy.gradual(every=1).stage(3, epoch) for epoch in range(5)]
    assert names == [
        "decoder",
        "decoder and 1 of 3 blocks",
        "decoder and 2 of 3 blocks",
        "decoder and encoder",
        "decoder and encoder",
    ]


def test_gradual_takes_explicit_rates_block_by_block():
    strategy = Strategy.gradual(every=2, block_lrs=(0.1, 0.2, 0.3))
    assert [strategy.rates(3, epoch) for epoch in (1, 2, 4, 6)] == [
        (0, 0, 0), (0, 0, 0.3), (0, 0.2, 0.3), (0.1, 0.2, 0.3),
    ]  # fmt: skip


def test_a_strategy_is_applied_in_the_stage_of_an_epoch():
    model = _model()
    groups = Strategy.gradual(lr=0.1, every=2).apply(model, epoch=5)
    learning = [all(p.requires_grad for p in block.parameters()) for block in model.encoder.blocks]
    assert learning == [False] * 6 + [True] * 2
    parts = {group["part"] for group in groups if group["base_lr"] > 0}
    assert parts == {"decoder", *(f"encoder {name}" for name in model.encoder.block_names[-2:])}


@pytest.mark.parametrize(("name", "moves"), [("scratch", True), ("full", False)])
def test_random_weights_need_statistics_of_their_own_even_where_batch_norm_is_frozen(name, moves):
    model = _model()
    Strategy(name=name, batch_norm="frozen").apply(model)
    model.train()
    norms = [module for module in model.encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and {norm.training for norm in norms} == {moves}
