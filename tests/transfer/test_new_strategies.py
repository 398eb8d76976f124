"""lp_ft, bn_affine and the BatchNorm modes; blocks with nothing to learn; rates as they stand in the optimiser."""

import copy
import io
import re

import pytest
import torch
from small_models import BLOCKS, SmallClassifier, changed, snapshot
from timm.layers import GroupNormAct, LayerNorm2d, RmsNorm, SimpleNorm2d
from timm.layers.norm_act import FrozenBatchNorm2d
from torch import nn

from medgraft.errors import RecipeError
from medgraft.models import EncoderUNet, UNet, create_encoder
from medgraft.recipe import Recipe
from medgraft.training.schedule import warmup_cosine
from medgraft.transfer import Strategy, adapt_statistics, blocks_of, rest_name, summarise
from medgraft.transfer.parts import norm_parameters

EVERY_STRATEGY = [
    Strategy.frozen(0.01),
    Strategy.partial(1, 0.01),
    Strategy.full(0.01, decay=0.5),
    Strategy.full(0.01, block_lrs=(1e-5, 0.0, 1e-3)),
    Strategy.gradual(0.01, every=1),
    Strategy.lp_ft(0.01, probe=2),
    Strategy.bn_affine(0.01),
    Strategy.scratch(0.01),
]


def _names(strategies):
    return [strategy.name for strategy in strategies]


def _step(model, optimiser):
    model.train()
    optimiser.zero_grad(set_to_none=True)
    model(torch.rand(4, 3, 32, 32)).square().mean().backward()
    optimiser.step()
    model.eval()


# -- by epoch --------------------------------------------------------------------------------------------------------


def test_a_linear_probe_comes_before_fine_tuning():
    strategy = Strategy.lp_ft(lr=1e-2, probe=2, encoder_lr=1e-3, decay=0.1)
    rates = [strategy.rates(3, epoch) for epoch in range(4)]
    assert rates[:2] == [(0, 0, 0)] * 2
    assert rates[2] == rates[3] == pytest.approx((1e-5, 1e-4, 1e-3))
    assert [strategy.prefix(3, epoch) for epoch in range(4)] == [3, 3, 0, 0]
    stages = [strategy.stage(3, epoch, rest="head") for epoch in range(4)]
    assert stages == ["head", "head", "head and encoder", "head and encoder"]


def test_a_head_that_was_solved_beforehand_needs_no_probe():
    solved = Strategy.lp_ft(probe=0, block_lrs=(0.1, 0.2))
    assert solved.rates(2, 0) == Strategy.full(block_lrs=(0.1, 0.2)).rates(2, 0) == (0.1, 0.2)
    assert solved.stage(2, 0) == "decoder and encoder"


def test_norms_learn_at_layer_wise_rates_and_their_stage_says_so():
    strategy = Strategy.bn_affine(lr=1e-2, encoder_lr=1e-3, decay=0.5)
    assert strategy.rates(2, 7) == pytest.approx((5e-4, 1e-3))
    assert strategy.stage(2, 7) == "decoder and norms"
    assert Strategy.bn_affine(block_lrs=(0.0, 0.1)).stage(2, 0, "head") == "head and norms of 1 of 2 blocks"


# -- blocks with nothing to learn ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "rates", "prefix", "stage"),
    [
        (Strategy.frozen(), (0, 0, 0, 0), 4, "head"),
        (Strategy.partial(2, encoder_lr=0.1, decay=0.5), (0, 0.05, 0.1, 0), 1, "head and 2 of 3 blocks"),
        (Strategy.full(encoder_lr=0.1, decay=0.5), (0.025, 0.05, 0.1, 0), 0, "head and encoder"),
        (Strategy.full(block_lrs=(0.1, 0.2, 0.3)), (0.1, 0.2, 0.3, 0), 0, "head and encoder"),
        (Strategy.full(block_lrs=(0.1, 0.2, 0.3, 0.4)), (0.1, 0.2, 0.3, 0), 0, "head and encoder"),
        (Strategy.gradual(every=1, encoder_lr=0.1, decay=1), (0, 0, 0.1, 0), 2, "head and 1 of 3 blocks"),
        (Strategy.bn_affine(encoder_lr=0.1, decay=0.5), (0.05, 0, 0.1, 0), 0, "head and norms"),
        (Strategy.bn_affine(block_lrs=(0, 0.2, 0.3)), None, None, None),
        (Strategy.bn_affine(block_lrs=(0, 0.3)), (0, 0, 0.3, 0), 2, "head and norms of 1 of 2 blocks"),
        (Strategy.scratch(0.1), (0.1, 0.1, 0.1, 0), 0, "all, from random weights"),
    ],
)
def test_blocks_with_nothing_to_learn_are_fixed_and_not_counted(strategy, rates, prefix, stage):
    """Of stem, plain, mixed and pool the last has no parameter, and plain no norm. In epoch 1."""
    encoder = SmallClassifier().encoder
    if rates is None:
        with pytest.raises(RecipeError, match="2 blocks and 3 rates"):
            strategy.rates(encoder, 1)
        return
    assert strategy.rates(encoder, 1) == pytest.approx(rates)
    assert strategy.prefix(encoder, 1) == prefix
    assert strategy.stage(encoder, 1, "head") == stage


def test_no_more_blocks_can_learn_than_have_parameters():
    with pytest.raises(RecipeError, match="4 are to learn and the encoder has only 3"):
        Strategy.partial(4).apply(SmallClassifier())


def test_a_block_without_parameters_has_no_group():
    parts = {group["part"] for group in Strategy.full().apply(SmallClassifier())}
    assert parts == {"encoder stem", "encoder plain", "encoder mixed", "head"}


def test_the_rest_is_called_by_what_it_is():
    unet = UNet(widths=(4, 8))
    segmenter = EncoderUNet(create_encoder("resnet18"), widths=(8, 8, 8, 8), bottleneck=8)
    assert [rest_name(model) for model in (unet, segmenter, SmallClassifier())] == ["model", "decoder", "head"]
    assert blocks_of(unet) == 0 and blocks_of(segmenter) is segmenter.encoder


# -- what really moves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", ["train", "frozen", "adapt"])
@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=_names(EVERY_STRATEGY))
@pytest.mark.parametrize("epoch", [0, 2])
def test_one_step_moves_what_has_a_rate_and_nothing_else(strategy, epoch, batch_norm):
    strategy = strategy.model_copy(update={"batch_norm": batch_norm})
    model = SmallClassifier()
    optimiser = torch.optim.AdamW(strategy.apply(model, epoch))
    learning = {i for i, rate in enumerate(strategy.rates(model.encoder, epoch)) if rate}
    norms = re.compile(r"blocks\.(0\.1|2\.0|2\.2|2\.4)\.(weight|bias)$")
    before = snapshot(model)
    _step(model, optimiser)
    expected = {"head.weight", "head.bias"}
    for name, _ in model.encoder.named_parameters(prefix="encoder"):
        block = int(name.split(".")[2])
        if block in learning and (strategy.name != "bn_affine" or norms.search(name)):
            expected.add(name)
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == expected
    moved = changed(before, model)
    nothing_to_gain = {name for name, p in model.named_parameters() if p.grad is not None and not p.grad.any()}
    assert expected - nothing_to_gain <= moved
    buffers = {"running_mean", "running_var", "num_batches_tracked"}
    moves = batch_norm == "train" or strategy.name == "scratch"
    statistics = {f"encoder.blocks.{b}.{(b and 2) or 1}.{buffer}" for b in learning & {0, 2} for buffer in buffers}
    assert moved - expected == (statistics if moves else set())


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_bn_affine_on_encoders_with_batch_and_layer_norms(name):
    """ResNet calls its norms bn1, bn2 and downsample.1, ConvNeXt norm and stem.1, in timm."""
    model = EncoderUNet(create_encoder(name), widths=(8, 8, 8, 8, 8), bottleneck=8)
    Strategy.bn_affine().apply(model)
    pattern = {"resnet18": r"(bn\d|downsample\.1)\.(weight|bias)$", "convnext_atto": r"(norm|stem\.1|downsample\.0)\."}
    wanted = {n for n, _ in model.encoder.named_parameters() if re.search(pattern[name], n)}
    assert {n for n, p in model.encoder.named_parameters() if p.requires_grad} == wanted
    assert len(wanted) == {"resnet18": 40, "convnext_atto": 32}[name]
    assert all(p.requires_grad for n, p in model.named_parameters() if not n.startswith("encoder."))


def test_norms_of_every_kind_are_known_and_nothing_else():
    """Two tensors of 4 from each, one from those that only scale; none from a convolution or an activation."""
    two = [
        nn.InstanceNorm3d(4, affine=True),
        nn.BatchNorm1d(4),
        GroupNormAct(4, 2),
        LayerNorm2d(4),
        FrozenBatchNorm2d(4),
    ]
    one = [nn.RMSNorm(4), RmsNorm(4), SimpleNorm2d(4)]
    model = nn.Sequential(*two, *one, nn.Conv2d(4, 4, 1), nn.PReLU(4), nn.InstanceNorm2d(4))
    assert len(norm_parameters(model)) == 2 * 4 + 3, "of a FrozenBatchNorm2d scale and shift are buffers"
    assert {parameter.shape for parameter in norm_parameters(model)} == {(4,)}


def test_adapted_statistics_stay_as_they_are_while_everything_learns():
    strategy = Strategy.full(0.01, batch_norm="adapt")
    model = SmallClassifier()
    optimiser = torch.optim.AdamW(strategy.apply(model))
    assert adapt_statistics(model, [torch.rand(8, 3, 32, 32)]) == 2
    before = snapshot(model)
    for _ in range(3):
        _step(model, optimiser)
    moved = changed(before, model)
    assert not any("running" in name or "tracked" in name for name in moved)
    assert "encoder.blocks.0.0.weight" in moved


def test_a_strategy_leaves_nothing_free_that_an_earlier_one_freed():
    model = SmallClassifier()
    Strategy.full().apply(model)
    Strategy.bn_affine().apply(model)
    assert {n for n, p in model.encoder.blocks[1].named_parameters() if p.requires_grad} == set()
    Strategy.frozen().apply(model)
    assert not any(p.requires_grad for p in model.encoder.parameters())


def test_what_an_encoder_lacks_is_said():
    small, unet = SmallClassifier(), UNet(widths=(4, 8))
    assert Strategy.bn_affine(batch_norm="adapt").remarks(small) == []
    assert Strategy.scratch().remarks(unet) == []
    bare = copy.deepcopy(small)
    bare.encoder.blocks = nn.ModuleList([bare.encoder.blocks[1]])
    bare.encoder.block_names = ("plain",)
    assert Strategy.bn_affine(batch_norm="adapt").remarks(bare) == [
        "bn_affine: small has no normalisation with scales and shifts, so its head learns alone, as under frozen",
        "batch_norm: small has no BatchNorm, so there are no statistics to adapt",
    ]
    assert Strategy.bn_affine().prefix(bare.encoder, 0) == 1 and Strategy.full().remarks(bare) == []


# -- options ---------------------------------------------------------------------------------------------------------


def test_the_options_of_a_recipe_reach_the_new_strategies():
    recipe = Recipe.make(strategy="lp_ft", lr=0.1, probe_epochs=4, batch_norm="adapt", decay=0.5)
    assert Strategy.from_recipe(recipe) == Strategy.lp_ft(0.1, probe=4, batch_norm="adapt", decay=0.5)
    assert Strategy.from_recipe(Recipe.make(strategy="bn_affine", lr=0.1)) == Strategy.bn_affine(0.1)
    assert Strategy.model_validate_json(Strategy.lp_ft(probe=0).model_dump_json()) == Strategy.lp_ft(probe=0)


@pytest.mark.parametrize("mode", ["frozen", "adapt"])
def test_random_weights_have_no_statistics_to_keep(mode):
    with pytest.raises(RecipeError, match=f"batch_norm: '{mode}'.*scratch.*leave it at train"):
        Strategy.from_recipe(Recipe.make(strategy="scratch", batch_norm=mode))


# -- the rates in the optimiser are those of the summary -------------------------------------------------------------

EPOCHS, STEPS = 6, 2


def _saved(*parts):
    """Through a file and back, as a checkpoint goes."""
    held = io.BytesIO()
    torch.save([part.state_dict() for part in parts], held)
    held.seek(0)
    return torch.load(held, weights_only=True)


def _rates_by_epoch(strategy, resume_before=None):
    """Train; by epoch, (part: base rate) and (part: rate of the last step), and both against the summary."""
    model = SmallClassifier()
    optimiser = torch.optim.AdamW(strategy.apply(model))
    found = []
    for epoch in range(EPOCHS):
        if epoch == resume_before:
            weights, moments = _saved(model, optimiser)
            model = SmallClassifier()
            optimiser = torch.optim.AdamW(strategy.apply(model))
            model.load_state_dict(weights)
            optimiser.load_state_dict(moments)
        strategy.on_epoch(model, optimiser.param_groups, epoch)
        rows = summarise(model, strategy, 32, epoch=epoch)
        for step in range(epoch * STEPS, (epoch + 1) * STEPS):
            factor = warmup_cosine(step, EPOCHS * STEPS, 0.25)
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * factor
            _step(model, optimiser)
        base = {group["part"]: group["base_lr"] for group in optimiser.param_groups}
        assert {row.part: row.lr for row in rows if row.lr} == {part: rate for part, rate in base.items() if rate}
        free = {row.part: row.trainable for row in rows if row.trainable}
        in_groups = dict.fromkeys(base, 0)
        for group in optimiser.param_groups:
            in_groups[group["part"]] += sum(p.numel() for p in group["params"]) if group["lr"] else 0
        assert free == {part: count for part, count in in_groups.items() if count}
        found.append({group["part"]: group["lr"] for group in optimiser.param_groups})
    return found


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=_names(EVERY_STRATEGY))
def test_the_optimisers_rates_are_the_summarys_at_every_epoch_also_after_a_resume(strategy):
    unbroken = _rates_by_epoch(strategy)
    for epoch, rates in enumerate(unbroken):
        factor = warmup_cosine((epoch + 1) * STEPS - 1, EPOCHS * STEPS, 0.25)
        wanted = dict(zip(BLOCKS, strategy.rates(SmallClassifier().encoder, epoch), strict=True))
        assert rates["head"] == pytest.approx(0.01 * factor)
        for part, rate in rates.items():
            if part != "head":
                assert rate == pytest.approx(wanted[part.removeprefix("encoder ")] * factor)
    assert _rates_by_epoch(strategy, resume_before=1) == unbroken
    assert _rates_by_epoch(strategy, resume_before=3) == unbroken
