"""Stored features: equal to what the encoder returns, found again, and never those of another encoder or image."""

import numpy as np
import pytest
import torch

from medgraft.data import Augmenter, PixelStore, open_data, scale
from medgraft.data.batches import StoreDataset
from medgraft.models import create_feature_encoder
from medgraft.policy import Augment
from medgraft.transfer import OnnxEngine, TorchEngine, Views, extract, features, too_large

FLIP = Augment(flip_horizontal=1.0)


@pytest.fixture(scope="module")
def store(pairs):
    return PixelStore.open(open_data(pairs), 32)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return create_feature_encoder("resnet18").eval()


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))


TRAIN = np.array([1, 4, 9, 20])


def _views(count=1, policy=FLIP, seed=0):
    return Views(count, Augmenter(policy), seed)


class _Counting(TorchEngine):
    images = 0

    def __call__(self, images):
        self.images += len(images)
        return super().__call__(images)


@pytest.mark.parametrize("stop", [3, 5])
def test_features_are_what_the_encoder_returns(store, encoder, stop):
    found = extract(store, encoder, TorchEngine(encoder, stop), TRAIN, _views(), batch_size=5)
    with torch.no_grad():
        (expected,) = encoder.forward_prefix(
            scale(StoreDataset(store).__getitems__([(0, r) for r in range(32)]).images), stop
        )
    np.testing.assert_allclose(found.view(0, np.arange(32)), expected.numpy(), rtol=1e-4, atol=1e-5)
    assert found.stop == stop and len(found.arrays) == 1


def test_another_engine_gives_the_same_to_the_parity(store, encoder):
    sample = scale(StoreDataset(store).__getitems__([(0, 0), (0, 1), (0, 2)]).images)
    onnx = extract(store, encoder, OnnxEngine(encoder, 5, sample), TRAIN, _views())
    torch_ = extract(store, encoder, TorchEngine(encoder, 5), TRAIN, _views())
    difference = np.abs(onnx.arrays[0] - torch_.arrays[0]).max() / np.abs(torch_.arrays[0]).max()
    assert 0 < difference < 1e-4
    assert (onnx.engine, torch_.engine) == ("onnxruntime", "torch")


def test_the_second_view_is_of_training_images_flipped(store, encoder):
    found = extract(store, encoder, TorchEngine(encoder, 5), TRAIN, _views(2))
    images = scale(StoreDataset(store).__getitems__([(0, int(r)) for r in TRAIN]).images)
    with torch.no_grad():
        flipped = encoder(images.flip(3)).numpy()
    np.testing.assert_allclose(found.view(1, TRAIN), flipped, rtol=1e-4, atol=1e-5)
    assert found.arrays[1].shape == (4, 512) and np.abs(found.view(0, TRAIN) - flipped).max() > 0.01
    # Turn by turn each image shows another of its views, beginning with the first.
    np.testing.assert_array_equal(found.take(TRAIN, 0), found.view(0, TRAIN))
    turns = [found.take(TRAIN, turn) for turn in (1, 2)]
    for place in range(4):
        assert {turn[place].tobytes() for turn in turns} == {found.view(v, TRAIN)[place].tobytes() for v in (0, 1)}


def test_they_are_computed_once(store, encoder):
    first, second = _Counting(encoder, 5), _Counting(encoder, 5)
    seen = []
    one = extract(store, encoder, first, TRAIN, _views(2), progress=lambda *counts: seen.append(counts))
    two = extract(store, encoder, second, TRAIN, _views(2))
    assert (first.images, second.images) == (36, 0)
    assert seen[-1] == (36, 36) and (two.seconds, one.seconds > 0) == (0.0, True)
    np.testing.assert_array_equal(one.take(TRAIN, 1), two.take(TRAIN, 1))


def test_a_change_of_weights_policy_seed_or_images_is_another_key(store, encoder, pairs):
    extract(store, encoder, TorchEngine(encoder, 5), TRAIN, _views(2))

    def images(store=store, encoder=encoder, **views):
        engine = _Counting(encoder, 5)
        extract(store, encoder, engine, TRAIN, _views(2, **views))
        return engine.images

    assert images() == 0
    assert images(seed=1) == 4 and images(policy=Augment(rotation=10)) == 4
    torch.manual_seed(1)
    assert images(encoder=create_feature_encoder("resnet18").eval()) == 36
    assert images(store=PixelStore.open(open_data(pairs), 64)) == 36


def test_statistics_of_batch_norm_are_part_of_the_key(store, encoder):
    extract(store, encoder, TorchEngine(encoder, 5), TRAIN, _views())
    other = create_feature_encoder("resnet18").eval()
    other.load_state_dict(encoder.state_dict())
    next(module for module in other.modules() if isinstance(module, torch.nn.BatchNorm2d)).running_mean += 1
    engine = _Counting(other, 5)
    extract(store, other, engine, TRAIN, _views())
    assert engine.images == 32


def test_what_broke_off_leaves_nothing(store, encoder, tmp_path):
    class Broken(TorchEngine):
        calls = 0

        def __call__(self, images):
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        extract(store, encoder, Broken(encoder, 5), TRAIN, _views(), batch_size=4)
    assert list((tmp_path / "features").iterdir()) == []


def test_more_than_half_of_the_disk_is_too_large(store, encoder, monkeypatch):
    # 32 images of 512 numbers of 4 bytes, twice: 131,072 bytes.
    class Disk:
        free = 262_143

    monkeypatch.setattr(features.shutil, "disk_usage", lambda place: Disk)
    assert too_large(store, encoder, 5, 2)
    Disk.free = 262_144
    assert not too_large(store, encoder, 5, 2)
