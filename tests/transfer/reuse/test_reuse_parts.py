"""Movement, putting back, drawing anew, neighbours, SVCCA and filters, on numbers worked out by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import nn

from medgraft.errors import WeightsError
from medgraft.models import Normalise, create_feature_encoder
from medgraft.models.decompose import Cut
from medgraft.models.encoder import Encoder
from medgraft.pipeline.reusing import robustness
from medgraft.transfer.initialise import Initialisation, initialise
from medgraft.transfer.reuse import (
    before,
    block_outputs,
    first_filters,
    maps_of,
    movement,
    pooled,
    put_back,
    redrawn,
    settled,
    svcca,
    vote,
)
from medgraft.transfer.reuse.neighbours import neighbour_count


def encoder_of_parts():
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.LayerNorm(8)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ]
    parts = Cut(blocks, ("stem", "middle", "pool"), (2,), (4,), (1,), (), False)
    return Encoder("parts", parts, Normalise((0.5,) * 3, (0.5,) * 3), 3, (0.5,) * 3, (0.5,) * 3).eval()


def state_of(encoder):
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def test_moving_one_block_changes_its_own_numbers_alone():
    encoder = encoder_of_parts()
    initial = state_of(encoder)
    assert all(each.fixed and each.weights.moved == each.norms.moved == 0 for each in movement(encoder, initial))
    with torch.no_grad():
        encoder.blocks[1][0].weight[0, 0] += 3.0
        encoder.blocks[1][0].bias[1] += 4.0
    stem, middle, pool = movement(encoder, initial)
    assert middle.weights.moved == pytest.approx(5.0, rel=1e-6)
    assert middle.weights.count == 4 * 4 + 4
    assert middle.weights.rms == pytest.approx(5.0 / math.sqrt(20), rel=1e-6)
    start = math.sqrt(sum(float((initial[f"blocks.1.0.{key}"] ** 2).sum()) for key in ("weight", "bias")))
    assert middle.weights.relative == pytest.approx(5.0 / start, rel=1e-6)
    assert middle.norms.moved == 0 and not middle.fixed
    assert stem.fixed and pool.fixed and pool.weights.count == 0 and pool.weights.rms == 0
    assert pool.weights.relative is None


def test_norms_and_running_statistics_are_counted_apart():
    encoder = encoder_of_parts()
    initial = state_of(encoder)
    with torch.no_grad():
        encoder.blocks[0][1].running_mean += 2.0
    stem = movement(encoder, initial)[0]
    assert stem.fixed and stem.statistics.moved == pytest.approx(4.0) and stem.weights.moved == 0
    with torch.no_grad():
        encoder.blocks[0][1].weight += 0.5
    stem = movement(encoder, initial)[0]
    assert not stem.fixed and stem.norms.moved == pytest.approx(1.0) and stem.norms.count == 8
    assert stem.norms.rms == pytest.approx(1 / math.sqrt(8)) and stem.weights.moved == 0


def test_a_state_of_another_encoder_is_refused():
    encoder = encoder_of_parts()
    state = state_of(encoder)
    with pytest.raises(WeightsError, match=r"blocks.1.0.bias is missing"):
        movement(encoder, {name: tensor for name, tensor in state.items() if name != "blocks.1.0.bias"})
    with pytest.raises(WeightsError, match="has shape"):
        before(encoder, [0], state | {"blocks.0.0.weight": torch.zeros(2)})


def test_put_back_changes_these_blocks_alone_and_for_a_time():
    encoder = encoder_of_parts()
    initial = state_of(encoder)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 1.0
    trained = state_of(encoder)
    with put_back(encoder, [1], before(encoder, [1], initial)):
        for name, tensor in encoder.state_dict().items():
            wanted = initial if name.startswith("blocks.1.") else trained
            assert torch.equal(tensor, wanted[name]), name
    with pytest.raises(KeyError), put_back(encoder, [0, 1], initial):
        raise KeyError
    assert all(torch.equal(tensor, trained[name]) for name, tensor in encoder.state_dict().items())


def test_statistics_of_a_block_that_is_put_back_are_those_of_its_own_outputs():
    encoder = encoder_of_parts()
    images = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    state = before(encoder, [0], state_of(encoder))
    assert set(state) == {"blocks.0.0.weight", "blocks.0.1.weight", "blocks.0.1.bias"}
    trained = state_of(encoder)
    found = settled(encoder, [0], state, [images[:6], images[6:]])
    with torch.no_grad():
        maps = encoder.blocks[0][0](encoder.normalise(images))
        halves = torch.stack([part.var(dim=(0, 2, 3)) for part in (maps[:6], maps[6:])])
    assert torch.allclose(found["blocks.0.1.running_mean"], maps.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(found["blocks.0.1.running_var"], halves.mean(dim=0), rtol=1e-5)
    norm = encoder.blocks[0][1]
    assert norm.momentum == 0.1 and not norm.training
    assert all(torch.equal(tensor, trained[name]) for name, tensor in encoder.state_dict().items())


def test_statistics_that_training_left_alone_are_kept_where_a_block_is_put_back(monkeypatch):
    """Under ``batch_norm: frozen`` all later blocks learned with those of before training, and want them again."""
    encoder, images = encoder_of_parts(), torch.rand(4, 3, 8, 8)
    initial = state_of(encoder)
    with torch.no_grad():
        encoder.blocks[0][0].weight += 1.0
    run = SimpleNamespace(recipe=SimpleNamespace(seed=0))
    reused = SimpleNamespace(after=encoder, initial=initial, run=run, predictor=SimpleNamespace(size=8))
    subject = SimpleNamespace(manifest=SimpleNamespace(rows=lambda split: np.arange(4)))
    monkeypatch.setattr(robustness, "batches", lambda *_: iter([([0, 1, 2, 3], images)]))
    mean = "blocks.0.1.running_mean"
    with robustness.Variants(reused, subject).put_back(0)():
        assert all(torch.equal(tensor, initial[name]) for name, tensor in encoder.state_dict().items())
    with robustness.Variants(reused, subject).redrawn(0)():
        assert not torch.equal(encoder.state_dict()[mean], initial[mean]), "new weights want new statistics"
    encoder.state_dict()[mean].add_(2.0)
    with robustness.Variants(reused, subject).put_back(0)(), torch.no_grad():
        found = encoder.blocks[0][0](encoder.normalise(images)).mean(dim=(0, 2, 3))
        assert torch.allclose(encoder.state_dict()[mean], found, atol=1e-6)


def test_a_block_without_batch_norm_needs_no_images():
    encoder = encoder_of_parts()
    state = before(encoder, [1], state_of(encoder))
    assert settled(encoder, [1], state, iter(())) == state


def test_drawn_anew_keeps_mean_and_spread_and_nothing_else():
    encoder = create_feature_encoder("resnet18")
    initialise(encoder, Initialisation("ST"), seed=1)  # whose own draws are not to come again
    state = redrawn(encoder, 2, seed=1)
    parameters = dict(encoder.named_parameters())
    assert all(name.startswith("blocks.2.") and parameters[name].ndim == 4 for name in state)
    for name, tensor in state.items():
        was = parameters[name].detach()
        error = float(was.std()) / math.sqrt(was.numel())
        assert float(tensor.mean()) == pytest.approx(float(was.mean()), abs=5 * error)
        assert float(tensor.std()) == pytest.approx(float(was.std()), rel=5 / math.sqrt(2 * was.numel()))
        assert abs(pearsonr(tensor.flatten().numpy(), was.flatten().numpy())[0]) < 5 / math.sqrt(was.numel())
    again, other = redrawn(encoder, 2, seed=1), redrawn(encoder, 2, seed=2)
    name = next(iter(state))
    assert torch.equal(state[name], again[name]) and not torch.equal(state[name], other[name])


class Scale(nn.Module):
    """A residual step that reaches the output by a factor: with 0 it is dead."""

    def __init__(self, factor):
        super().__init__()
        self.step, self.factor = nn.Conv2d(4, 4, 3, padding=1), factor

    def forward(self, maps):
        return maps + self.factor * self.step(maps)


def test_a_planted_dead_block_changes_nothing_and_a_vital_one_does():
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Sequential(Scale(0.0)), nn.Sequential(Scale(5.0))]
    parts = Cut(blocks, ("stem", "dead", "vital"), (2,), (4,), (1,), (), False)
    encoder = Encoder("planted", parts, Normalise((0.5,) * 3, (0.5,) * 3), 3, (0.5,) * 3, (0.5,) * 3).eval()
    initial = state_of(encoder)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += torch.randn(parameter.shape)
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        whole = encoder(images)[-1]
        for block, same in ((1, True), (2, False)):
            for state in (before(encoder, [block], initial), redrawn(encoder, block)):
                with put_back(encoder, [block], state):
                    assert torch.equal(encoder(images)[-1], whole) == same


def test_neighbours_vote_by_their_weights():
    """Of 20 known images two vote: by hand, exp(1 / 0.1) against exp(0.6 / 0.1)."""
    known = np.zeros((20, 2))
    known[0], known[1] = (2, 0), (3, 4)
    known[2:] = (-1, 0)
    presence = np.zeros((20, 2), int)
    presence[0, 0] = presence[1:, 1] = 1
    assert neighbour_count(20) == 2 and neighbour_count(5) == 1 and neighbour_count(10_000) == 200
    (shares,) = vote(known, presence, np.array([[7.0, 0]]))
    assert shares[0] == pytest.approx(1 / (1 + math.exp(-4)), rel=1e-6)
    assert shares.sum() == pytest.approx(1)
    # Of several labels each has its own share.
    (both,) = vote(known, np.ones((20, 2), int), np.array([[7.0, 0]]))
    assert both == pytest.approx([1, 1])
    # A row of zeros is equally unlike all, and overflows nothing.
    assert np.isfinite(vote(known, presence, np.zeros((1, 2)), temperature=1e-3)).all()


def test_svcca_of_shared_and_of_independent_directions():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 4))
    assert svcca(x, x @ rng.standard_normal((4, 4)) + 7).value == pytest.approx(1, abs=1e-6)
    independent = svcca(x, rng.standard_normal((400, 4)))
    assert independent.value < 0.15 and independent.directions == (4, 4)
    # One direction in common of two: correlations 1 and about 0.
    y = np.stack([x[:, 0], rng.standard_normal(400)], axis=1)
    assert svcca(x[:, :2], y).value == pytest.approx(0.5, abs=0.06)
    # Single directions: the correlation of Pearson.
    one, other = x[:, :1], x[:, :1] + rng.standard_normal((400, 1))
    assert svcca(one, other).value == pytest.approx(pearsonr(one[:, 0], other[:, 0])[0], abs=1e-9)


def test_svcca_keeps_what_explains_99_percent_and_refuses_too_few_images():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) * [10, 10, 0.01]
    assert svcca(x, x).directions == (2, 2)
    assert math.isnan(svcca(rng.standard_normal((30, 20)), rng.standard_normal((30, 20))).value)
    assert math.isnan(svcca(x, np.ones((200, 3))).value)


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224"])
def test_outputs_of_blocks_of_convolutions_windows_and_tokens(name):
    encoder = create_feature_encoder(name).eval()
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        whole = encoder(images)
        shapes = []
        for place, output in enumerate(block_outputs(encoder, images)):
            assert pooled(output).shape[0] == 2 and pooled(output).ndim == 2
            shapes.append((place, None if maps_of(output) is None else tuple(maps_of(output).shape)))
        assert torch.allclose(output, whole, atol=1e-4)
    if name.startswith("swin"):
        assert shapes[0] == (0, (2, 96, 56, 56)) and shapes[-1][1] is None
    if name.startswith("vit"):
        assert all(shape is None for _, shape in shapes)


def test_maps_with_channels_last_are_told_apart_even_where_they_are_as_wide_as_deep():
    """Swin passes [B, h, w, C] on; at 384 pixels its first blocks have 96 x 96 places of 96 channels."""
    encoder = encoder_of_parts()
    encoder.channels_last, encoder.normalise = True, nn.Identity()
    encoder.blocks = nn.ModuleList([nn.Identity()])
    maps = torch.rand(2, 4, 4, 4)
    (output,) = block_outputs(encoder, maps)
    assert torch.equal(pooled(output), maps.mean(dim=(1, 2)))


def test_the_filters_that_moved_most_are_shown():
    encoder = create_feature_encoder("resnet18")
    initial = state_of(encoder)
    with torch.no_grad():
        encoder.blocks[0].conv1.weight[5] += 1.0
    old, new = first_filters(encoder, initial)
    assert old.shape == new.shape == (48, 3, 7, 7)
    (moved,) = np.flatnonzero(np.abs(new - old).sum(axis=(1, 2, 3)))
    assert moved == 5
    grey = create_feature_encoder("resnet18", in_channels=1)
    # A plane of ones goes with the grey one where colours have statistics of their own.
    assert first_filters(grey, state_of(grey))[0].shape[1] == 1
