"""Encoders from files to a ranking, on drawn shapes and small encoders whose weights are files."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from medgraft.data import evaluation_loader, open_data, scale
from medgraft.errors import DataError, RecipeError, WeightsError
from medgraft.models import create_feature_encoder, find_weights
from medgraft.pipeline import transferability
from medgraft.pipeline.prepare import complete, open_for, prepare
from medgraft.pipeline.rank_encoders import rank_encoders
from medgraft.pipeline.transferability import measure_encoder, random_twin, sampled_rows
from medgraft.progress import Observer
from medgraft.recipe import Recipe

QUICK = {"size": 64, "bootstrap": 100}


class Heard(Observer):
    def __init__(self):
        self.works = []

    def working(self, what, done, total):
        self.works.append(what)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Weights of two small encoders, as files; random, so neither is worth reusing."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(5)
    found = {}
    for name in ("test_resnet", "test_efficientnet"):
        found[name] = folder / f"{name}.safetensors"
        save_file(timm.create_model(name).state_dict(), found[name])
    return found


def _prepared(data, **options):
    recipe = Recipe.make(strategy="frozen", **(QUICK | options))
    manifest = open_for(data, recipe)
    recipe = complete(recipe, manifest)
    return prepare(manifest, recipe, Observer()), recipe


def test_pretrained_features_of_shapes_beat_random_ones(pairs):
    prepared, recipe = _prepared(pairs, ratios=(0.8, 0.1, 0.1))
    heard = Heard()
    found = measure_encoder(prepared, recipe, heard)
    result = found.result
    assert found.encoder == "tf_efficientnet_lite0" and found.source.startswith("ImageNet weights from")
    assert result.images == found.images == len(prepared.rows["train"]) and result.left_out == ()
    assert result.probe.value > 0.9 and result.gain.value == pytest.approx(result.probe.value - result.random.value)
    assert result.gain.value > 0
    assert found.seconds > 0 and found.extraction > 0
    assert [what for what in dict.fromkeys(heard.works) if "measuring" in what or "random" in what] == [
        "features of tf_efficientnet_lite0 with random weights",
        "measuring tf_efficientnet_lite0",
    ]


def test_features_are_those_of_the_encoder_at_rest(pairs):
    prepared, recipe = _prepared(pairs)
    found = measure_encoder(prepared, recipe, Observer()).measured.data
    encoder = create_feature_encoder(recipe.encoder, 3, find_weights(recipe.encoder)).eval()
    images = scale(next(iter(evaluation_loader(prepared.store, prepared.rows["train"], 64))).images)
    with torch.no_grad():
        expected = encoder(images).numpy()
    np.testing.assert_allclose(found.features, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(found.labels, prepared.targets("train"))


def test_neither_val_nor_test_is_looked_at(blobs, weights):
    prepared, recipe = _prepared(blobs, encoder="test_resnet", weights=str(weights["test_resnet"]))
    before = measure_encoder(prepared, recipe, Observer())
    outside = np.setdiff1d(np.arange(len(prepared.store)), prepared.rows["train"])
    spoilt = prepared.store.labels.copy()
    spoilt[outside] = 0
    object.__setattr__(prepared.store, "labels", spoilt)
    after = measure_encoder(prepared, recipe, Observer())
    assert before.result == after.result
    assert len(before.measured.data) == len(prepared.rows["train"]) < len(prepared.store)


def test_masks_are_measured_by_cells(ellipses):
    prepared, recipe = _prepared(ellipses)
    found = measure_encoder(prepared, recipe, Observer())
    data = found.measured.data
    assert data.features.shape[1] == 112 and data.kind == "binary"
    assert data.group_count == found.images == len(prepared.rows["train"])
    # Bright shapes on a dark ground.
    assert found.result.probe.value > 0.9
    np.testing.assert_array_equal(data.labels, found.twin.data.labels)


def test_an_encoder_without_a_pyramid_cannot_be_probed_on_masks(ellipses):
    torch.manual_seed(0)
    prepared, _ = _prepared(ellipses)
    encoder = create_feature_encoder("test_vit")
    with pytest.raises(RecipeError, match="test_vit' has no feature map of stride 16"):
        transferability._stop(encoder, prepared)


def test_the_twin_has_other_weights_and_statistics_of_the_data(blobs, weights):
    prepared, _ = _prepared(blobs, encoder="test_efficientnet", weights=str(weights["test_efficientnet"]))
    encoder = create_feature_encoder("test_efficientnet")
    state = torch.random.get_rng_state()
    rows = prepared.rows["train"]
    twin, same, other = (random_twin(encoder, prepared, rows, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    names = dict(encoder.named_parameters())
    wide = [name for name, tensor in names.items() if tensor.ndim == 4]
    assert all(not torch.equal(names[name], dict(twin.named_parameters())[name]) for name in wide)
    assert all(torch.equal(a, b) for a, b in zip(twin.state_dict().values(), same.state_dict().values(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(twin.parameters(), other.parameters(), strict=True))
    means = [buffer for name, buffer in twin.named_buffers() if name.endswith("running_mean")]
    assert means and all(mean.abs().max() > 0 for mean in means)
    assert not twin.training


def test_of_many_images_whole_patients_are_drawn(blobs, monkeypatch, tmp_path):
    files = sorted(blobs.rglob("*.png"))
    table = pd.DataFrame({"file": files, "label": [f.parent.name for f in files], "patient": range(36)})
    table["patient"] //= 3
    table.to_csv(tmp_path / "labels.csv", index=False)
    prepared, _ = _prepared(tmp_path / "labels.csv", group="patient")
    train = prepared.rows["train"]
    np.testing.assert_array_equal(sampled_rows(prepared, 0), train)
    monkeypatch.setattr(transferability, "IMAGES", 14)
    rows = sampled_rows(prepared, 0)
    assert 12 <= len(rows) <= 14 and set(rows) < set(train) and (np.diff(rows) > 0).all()
    groups = prepared.manifest.table["group"].to_numpy()
    assert not set(groups[rows]) & set(groups[np.setdiff1d(train, rows)])
    assert set(sampled_rows(prepared, 1)) != set(rows)


def test_encoders_are_ranked_by_their_probe_and_pairs_tell_which_are_level(pairs, weights):
    named = [f"{name}={file}" for name, file in weights.items()]
    ranking = rank_encoders(pairs, [*named, "tf_efficientnet_lite0", named[0]], observer=Observer(), **QUICK)
    values = [ranked.result.probe.value for ranked in ranking.encoders]
    assert values == sorted(values, reverse=True) and len(values) == 3
    first, *others = ranking.encoders
    assert {ranked.name for ranked in ranking.encoders} == {*named, "tf_efficientnet_lite0"}
    assert first.behind is None and first.level
    for other in others:
        gap = other.result.probe.value - first.result.probe.value
        assert other.behind.value == pytest.approx(gap)
        assert other.level == (not other.behind.high < 0)
    sources = {ranked.name: ranked.measured.source for ranked in ranking.encoders}
    assert sources[named[0]] == "file test_resnet.safetensors"
    assert ranking.about.startswith("pairs: 32 images · 2 classes") and ranking.skipped == {}
    plain = ranking.to_dict()
    assert plain["encoders"][0]["behind"] is None and plain["encoders"][1]["behind"]["level"] == others[0].level


def test_what_cannot_be_measured_is_skipped_with_the_reason(blobs, weights):
    asked = [f"test_resnet={weights['test_resnet']}", "resnet50", "resnet5O", f"resnet18={weights['test_resnet']}"]
    ranking = rank_encoders(blobs, asked, observer=Observer(), **QUICK)
    assert [ranked.name for ranked in ranking.encoders] == asked[:1]
    assert list(ranking.skipped) == asked[1:]
    assert ranking.skipped["resnet50"].startswith("no pretrained weights for resnet50 at hand")
    assert "resnet5O" in ranking.skipped["resnet5O"]
    assert "do not fit encoder resnet18" in ranking.skipped[asked[3]]


def test_the_only_encoder_that_cannot_be_had_is_an_error(blobs):
    with pytest.raises(WeightsError, match="no pretrained weights for resnet50 at hand"):
        rank_encoders(blobs, ["resnet50"], observer=Observer(), **QUICK)
    with pytest.raises(WeightsError, match=r"none of the 2 encoders can be measured: resnet50 \(.*resnet18 \("):
        rank_encoders(blobs, ["resnet50", "resnet18"], observer=Observer(), **QUICK)


def test_too_few_images_are_said_with_the_data(tmp_path, blobs, weights):
    files = [*sorted((blobs / "disc").iterdir())[:6], *sorted((blobs / "cross").iterdir())[:1]]
    table = pd.DataFrame({"file": files, "label": [f.parent.name for f in files]})
    table["split"] = ["train"] * 4 + ["test"] * 2 + ["train"]
    table.to_csv(tmp_path / "few.csv", index=False)
    manifest = open_data(tmp_path / "few.csv")
    with pytest.raises(DataError, match=r"few.csv: .* training images .* fewer than two classes"):
        rank_encoders(manifest, [f"test_resnet={weights['test_resnet']}"], observer=Observer(), **QUICK)
