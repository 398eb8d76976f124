"""Saved statistics: what is read is what was written, and nothing else is taken for it."""

import json

import numpy as np
import pytest
import torch

from medgraft.errors import DataError, RecipeError
from medgraft.models import create_feature_encoder
from medgraft.transfer.distance import ImageSet, distance_between
from medgraft.transfer.frechet import FeatureSet, feature_distance
from medgraft.transfer.moments import observe
from medgraft.transfer.reference import Reference, encoder_digest


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 200, (count, 1, 1, 3))
    return (base + rng.integers(0, 56, (count, 64, 64, 3))).astype(np.uint8)


def taken(name: str, count: int = 12):
    torch.manual_seed(0)
    encoder = create_feature_encoder(name)
    images = ImageSet(observe(encoder, [pictures(count, 1)]))
    return encoder, images, Reference.of(encoder, 64, "ours", images)


@pytest.fixture(scope="module")
def resnet():
    return taken("resnet18")


@pytest.fixture
def file(resnet, tmp_path):
    resnet[2].save(tmp_path / "statistics.npz")
    return tmp_path / "statistics.npz"


def test_distances_to_what_is_read_are_those_to_what_was_written(resnet, file):
    encoder, images, reference = resnet
    read = Reference.load(file)
    for name in ("encoder", "digest", "size", "channels", "name"):
        assert getattr(read, name) == getattr(reference, name)
    assert (read.name, read.features.count, len(read.statistics.layers)) == ("ours", 12, 20)
    other = ImageSet(observe(encoder, [pictures(9, 2)]))
    features = FeatureSet(other.observed.features, other.codes)
    for measured in (distance_between, feature_distance):
        first = features if measured is feature_distance else other
        saved = read.features if measured is feature_distance else read.statistics
        whole = FeatureSet(images.observed.features, images.codes) if measured is feature_distance else images
        assert measured(first, saved).value == pytest.approx(measured(first, whole).value, rel=1e-5)
    # Of the very images, at float32's precision of the saved axes.
    own = feature_distance(FeatureSet(images.observed.features, images.codes), read.features)
    assert own.value < 1e-5 * read.features.variance


def test_an_encoder_without_batch_norm_has_features_alone(tmp_path):
    _, images, reference = taken("convnext_atto")
    reference.save(tmp_path / "a.npz")
    read = Reference.load(tmp_path / "a.npz")
    assert read.statistics.layers == {}
    np.testing.assert_allclose(read.features.mean, images.observed.features.mean(0), rtol=1e-5)


def test_the_file_holds_no_row_of_an_image_and_no_pickle(resnet, file):
    with np.load(file, allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays.files)
        axes = arrays["feature_axes"]
        about = json.loads(arrays["about"].tobytes())
    # Principal axes, at right angles to each other, as no rows of images are.
    assert axes.shape == (11, 512)
    lengths = np.linalg.norm(axes, axis=1)
    assert np.abs(axes @ axes.T / np.outer(lengths, lengths) - np.eye(11)).max() < 1e-3
    assert about["images"] == 12 and set(about) == {
        "format", "encoder", "digest", "size", "channels", "name", "images", "layers"
    }  # fmt: skip


def test_another_encoder_other_weights_and_another_size_are_refused(resnet, file):
    encoder, _, _ = resnet
    read = Reference.load(file)
    read.refuse_other(encoder, 64, file)
    with pytest.raises(RecipeError, match=r"with encoder resnet18, not resnet34; add --encoder resnet18"):
        read.refuse_other(create_feature_encoder("resnet34"), 64, file)
    with pytest.raises(RecipeError, match="other weights of resnet18"):
        read.refuse_other(create_feature_encoder("resnet18"), 64, file)
    with pytest.raises(RecipeError, match="images of 64 pixels and 3 channels; add --size 64"):
        read.refuse_other(encoder, 96, file)


def test_the_digest_is_of_what_is_computed_with():
    torch.manual_seed(0)
    encoder = create_feature_encoder("resnet18")
    before = encoder_digest(encoder)
    encoder.blocks[0][1].num_batches_tracked += 1
    encoder.train()
    assert encoder_digest(encoder) == before
    encoder.blocks[0][1].running_mean[3] += 1e-3
    assert encoder_digest(encoder) != before


def _spoil(file, **changes) -> None:
    with np.load(file) as arrays:
        kept = {key: arrays[key] for key in arrays.files} | changes
    np.savez(file, **{key: value for key, value in kept.items() if value is not None})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:2000]),
        lambda file: np.savez(file, a=np.zeros(3)),
        lambda file: _spoil(file, feature_mean=np.zeros(3)),
        lambda file: _spoil(file, layer_means=np.zeros(7)),
        lambda file: _spoil(file, feature_axes=np.full((2, 512), np.nan)),
        lambda file: _spoil(file, about=np.frombuffer(b"[1]", np.uint8)),
        lambda file: _spoil(file, about=np.array([{"format": 1}], dtype=object)),
    ],
)
def test_a_damaged_file_is_one_sentence(file, spoil):
    spoil(file)
    with pytest.raises(DataError, match=r"statistics.npz: not the saved statistics of a set of images \(.+\)\.$"):
        Reference.load(file)


def test_a_missing_file_and_another_version_are_one_sentence(file):
    with pytest.raises(DataError, match=r"no such file; write one with medgraft distance DATA --save-reference"):
        Reference.load(file.with_name("none.npz"))
    with np.load(file) as arrays:
        about = json.loads(arrays["about"].tobytes()) | {"format": 2}
    _spoil(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    with pytest.raises(DataError, match="by another version of Medgraft"):
        Reference.load(file)


def test_a_file_that_cannot_be_written_leaves_the_old_one(resnet, file, monkeypatch):
    before = file.read_bytes()

    def broken(*_, **__):
        raise OSError("no")

    monkeypatch.setattr(np, "savez_compressed", broken)
    with pytest.raises(OSError, match="no"):
        resnet[2].save(file)
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]
