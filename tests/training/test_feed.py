"""What the learner is fed: the same from stored features as from pixels, in the same order."""

import numpy as np
import pytest
import torch

from medgraft.data import Augmenter, PixelStore, open_data
from medgraft.models import create_feature_encoder
from medgraft.policy import Augment
from medgraft.recipe import Recipe
from medgraft.training import Choices
from medgraft.training.feed import Clock, FeatureFeed, PixelFeed, Share
from medgraft.transfer import TorchEngine, Views, extract

PLAIN = Choices("torch", "fp32", "contiguous")
CPU = Share(0, 1, torch.device("cpu"))
ROWS = {"train": np.array([0, 3, 5, 8, 9, 20, 25, 31]), "val": np.array([1, 2, 30])}


@pytest.fixture(scope="module")
def store(pairs):
    return PixelStore.open(open_data(pairs), 32)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return create_feature_encoder("resnet18").eval()


def _recipe(**options):
    return Recipe.make(size=32, batch_size=3, augment="none", **options)


def _feeds(store, encoder, stop, views=1, share=CPU, choices=PLAIN):
    recipe, engine = _recipe(), TorchEngine(encoder, stop)
    features = extract(store, encoder, engine, ROWS["train"], Views(views, Augmenter(Augment(flip_horizontal=1)), 0))
    pixels = PixelFeed(store, ROWS, Augmenter(recipe.augment), recipe, share, choices, engine)
    return pixels, FeatureFeed(features, store.targets, ROWS, recipe, share, choices)


def _clock():
    return Clock("data", "encoder", "learning")


@pytest.mark.parametrize("stop", [2, 5])
def test_features_and_pixels_feed_the_same(store, encoder, stop):
    pixels, features = _feeds(store, encoder, stop)
    assert len(pixels) == len(features) == 2
    for epoch in (0, 3):
        pairs = list(zip(pixels.training(epoch, _clock()), features.training(epoch, _clock()), strict=True))
        assert len(pairs) == 2
        for (one, truth), (other, same) in pairs:
            torch.testing.assert_close(other[0], one[0], rtol=1e-4, atol=1e-5)
            assert torch.equal(truth, same)
    for (one, truth), (other, same) in zip(pixels.validation(), features.validation(), strict=True):
        torch.testing.assert_close(other[0], one[0], rtol=1e-4, atol=1e-5)
        assert torch.equal(truth, same) and len(truth) == 3


def test_epochs_take_turns_among_the_views(store, encoder):
    _, feed = _feeds(store, encoder, 5, views=2)
    known = {feed.features.view(view, np.array([row])).tobytes(): view for view in (0, 1) for row in ROWS["train"]}
    shown = [
        {known[row.numpy()[None].tobytes()] for inputs, _ in feed.training(epoch, _clock()) for row in inputs[0]}
        for epoch in (0, 1, 2)
    ]
    assert shown[0] == {0} and shown[1] == shown[2] == {0, 1}


def test_features_have_autocasts_type_and_the_layout(store, encoder):
    _, feed = _feeds(store, encoder, 2, choices=Choices("torch", "bf16", "channels_last"))
    ((maps,), _) = next(iter(feed.training(0, _clock())))
    assert maps.dtype == torch.bfloat16 and maps.is_contiguous(memory_format=torch.channels_last)
    assert not torch.is_autocast_enabled("cpu")


def test_processes_share_every_batch(store, encoder):
    whole = _feeds(store, encoder, 5)[1]
    whole.sampler.batch_size = 4
    shares = [_feeds(store, encoder, 5, share=Share(rank, 2, torch.device("cpu")))[1] for rank in (0, 1)]
    for share in shares:
        share.sampler.batch_size = 2
    for (inputs, truth), (a, b), (c, d) in zip(
        whole.training(1, _clock()), shares[0].training(1, _clock()), shares[1].training(1, _clock()), strict=True
    ):
        assert torch.equal(inputs[0][0::2], a[0]) and torch.equal(inputs[0][1::2], c[0])
        assert torch.equal(truth[0::2], b) and torch.equal(truth[1::2], d)


def test_the_clock_charges_each_part_with_its_own_time(monkeypatch):
    ticks = iter([0.0, 1.0, 3.0, 3.5])
    monkeypatch.setattr("medgraft.training.feed.time.perf_counter", lambda: next(ticks))
    clock = Clock("data", "learning")
    clock.lap("data")
    clock.lap("learning")
    clock.lap("data")
    assert clock.spent == {"data": 1.5, "learning": 2.0}
