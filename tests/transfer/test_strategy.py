"""Strategies: worked rates, and what really happens to parameters and buffers."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medgraft.errors import RecipeError
from medgraft.models import EncoderUNet, UNet, create_encoder
from medgraft.recipe import Recipe
from medgraft.transfer import Strategy


@pytest.fixture(scope="module")
def tiny() -> EncoderUNet:
    torch.manual_seed(0)
    return EncoderUNet(create_encoder("tf_efficientnet_lite0"), widths=(16, 16, 8, 8, 8), bottleneck=16)


def test_layer_wise_rates_by_hand():
    strategy = Strategy.full(lr=1e-3, encoder_lr=3e-4, decay=0.5)
    assert strategy.rates(4, epoch=0) == pytest.approx((3.75e-5, 7.5e-5, 1.5e-4, 3e-4))


def test_partial_frees_the_last_blocks_only():
    strategy = Strategy.partial(2, lr=1e-3, encoder_lr=1e-4, decay=0.1)
    assert strategy.rates(4, epoch=9) == pytest.approx((0, 0, 1e-5, 1e-4))
    assert strategy.prefix(4, epoch=0) == 2


def test_gradual_frees_one_block_every_k_epochs_from_the_deepest():
    strategy = Strategy.gradual(lr=1e-3, every=2, encoder_lr=1e-4, decay=1.0)
    freed = [sum(rate > 0 for rate in strategy.rates(3, epoch)) for epoch in range(10)]
    assert freed == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]
    assert strategy.rates(3, epoch=2) == (0, 0, 1e-4)
    assert [strategy.prefix(3, epoch) for epoch in (0, 2, 4, 6)] == [3, 2, 1, 0]


def test_explicit_rates_are_taken_and_counted():
    strategy = Strategy.full(block_lrs=(1e-5, 0.0, 1e-3))
    assert strategy.rates(3, 0) == (1e-5, 0.0, 1e-3)
    assert strategy.prefix(3, 0) == 0, "a fixed block behind a learning one is no prefix"
    with pytest.raises(RecipeError, match="4 blocks and 3 rates"):
        strategy.rates(4, 0)
    with pytest.raises(RecipeError, match="encoder has only 3"):
        Strategy.partial(4).rates(3, 0)


@given(
    count=st.integers(1, 12),
    epoch=st.integers(0, 60),
    every=st.integers(1, 6),
    name=st.sampled_from(["frozen", "partial", "full", "gradual", "lp_ft", "bn_affine", "scratch"]),
)
def test_stage_prefix_and_rates_agree(count, epoch, every, name):
    strategy = Strategy(name=name, blocks=min(2, count), every=every, probe=3 * every)
    rates, prefix = strategy.rates(count, epoch), strategy.prefix(count, epoch)
    assert all(rate == 0 for rate in rates[:prefix])
    assert prefix == count or rates[prefix] > 0
    assert all(a <= b for a, b in pairwise(rates)), "deeper blocks never learn slower"
    moves_on = rates != strategy.rates(count, epoch + 1)
    assert moves_on == (strategy.stage(count, epoch) != strategy.stage(count, epoch + 1))


def test_a_strategy_is_a_value_that_serialises():
    strategy = Strategy.gradual(lr=2e-3, every=4, block_lrs=(0.1, 0.2))
    assert Strategy.model_validate_json(strategy.model_dump_json()) == strategy
    recipe = Recipe.make(strategy="partial", blocks=3, lr=0.01, batch_norm="frozen")
    assert Strategy.from_recipe(recipe) == Strategy.partial(3, lr=0.01, batch_norm="frozen")


@pytest.mark.parametrize("strategy", [Strategy.partial(2), Strategy.full(), Strategy.scratch(), Strategy.gradual()])
def test_every_parameter_is_in_at_most_one_group_and_norms_do_not_decay(tiny, strategy):
    groups = strategy.apply(tiny, weight_decay=0.1)
    listed = [id(p) for group in groups for p in group["params"]]
    assert len(listed) == len(set(listed))
    learning = {id(p) for p in tiny.parameters() if p.requires_grad}
    assert learning <= set(listed)
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_group_rates_are_the_strategys_rates(tiny):
    strategy = Strategy.full(lr=1e-2, encoder_lr=1e-3, decay=0.5)
    by_part = {group["part"]: group["lr"] for group in strategy.apply(tiny)}
    wanted = dict(zip(tiny.encoder.block_names, strategy.rates(len(tiny.encoder.blocks), 0), strict=True))
    assert by_part == {"decoder": 1e-2} | {f"encoder {name}": rate for name, rate in wanted.items()}


def _train(model: nn.Module, groups: list, steps: int = 3) -> None:
    optimiser = torch.optim.AdamW(groups)
    for step in range(steps):
        model.train()
        torch.manual_seed(step)
        loss = model(torch.rand(2, 3, 64, 64)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.eval()


def _changed(before: dict, model: nn.Module) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}


def _snapshot(model: nn.Module) -> dict:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_frozen_encoder_stays_bit_identical_buffers_too(tiny):
    groups = Strategy.frozen(lr=1e-2).apply(tiny)
    before = _snapshot(tiny)
    _train(tiny, groups)
    changed = _changed(before, tiny)
    assert not any(name.startswith("encoder") for name in changed)
    assert any("running_mean" in name for name in changed), "the decoder's own BatchNorm learns"


def test_partial_moves_the_last_blocks_and_nothing_before_them(tiny):
    groups = Strategy.partial(2, lr=1e-2, encoder_lr=1e-2).apply(tiny)
    before = _snapshot(tiny)
    _train(tiny, groups)
    moved = {name.split(".")[2] for name in _changed(before, tiny) if name.startswith("encoder.blocks.")}
    last = len(tiny.encoder.blocks) - 1
    assert moved == {str(last - 1), str(last)}


def test_batch_norm_frozen_keeps_statistics_while_weights_learn(tiny):
    groups = Strategy.full(lr=1e-2, batch_norm="frozen").apply(tiny)
    before = _snapshot(tiny)
    _train(tiny, groups)
    inside = {name for name in _changed(before, tiny) if name.startswith("encoder")}
    assert any(name.endswith("weight") for name in inside)
    assert not any("running" in name or "num_batches" in name for name in inside)


def test_gradual_moves_on_in_an_existing_optimiser(tiny):
    strategy = Strategy.gradual(lr=1e-2, every=1, encoder_lr=1e-3)
    groups = strategy.apply(tiny)
    optimiser = torch.optim.AdamW(groups)
    assert {g["part"] for g in optimiser.param_groups if g["lr"] > 0} == {"decoder"}
    strategy.on_epoch(tiny, optimiser.param_groups, epoch=1)
    assert {g["part"] for g in optimiser.param_groups if g["lr"] > 0} == {
        "decoder",
        "encoder " + tiny.encoder.block_names[-1],
    }
    assert all(p.requires_grad for p in tiny.encoder.blocks[-1].parameters())
    assert not any(p.requires_grad for p in tiny.encoder.blocks[-2].parameters())


def test_a_model_without_an_encoder_learns_as_a_whole():
    model = UNet(widths=(4, 8))
    groups = Strategy.scratch(lr=0.5).apply(model)
    assert {(group["part"], group["lr"]) for group in groups} == {("model", 0.5)}
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in model.parameters())
