"""The main job on real skin lesions: a frozen pretrained encoder beats random features, and the run says so."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import medgraft as mg
from medgraft.evaluation import compare
from medgraft.progress import Observer

ISIC = Path(__file__).parents[3] / "shared/data/isic2017"

pytestmark = pytest.mark.skipif(not ISIC.parents[1].exists(), reason="../shared does not exist")

QUICK = {"size": 64, "epochs": 4, "bootstrap": 500, "observer": Observer()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("isic")
    frozen = mg.fit(ISIC, out=folder / "frozen", strategy="frozen", **QUICK)
    scratch = mg.fit(ISIC, out=folder / "scratch", strategy="scratch", **QUICK)
    return frozen, scratch


def test_four_epochs_on_a_frozen_encoder_outline_lesions(runs):
    frozen, _ = runs
    dice = frozen.scores.test["dice"]
    assert dice.n == 83
    assert 0.80 < dice.low < dice.value < dice.high < 0.95, "0.89 after 15 epochs"


def test_pretraining_is_worth_something_on_the_same_images(runs):
    frozen, scratch = runs
    pair = compare({"scratch": scratch.predictions, "frozen": frozen.predictions})
    difference = pair.differences["frozen"]["dice"]
    assert difference.interval.low > 0
    assert difference.better > difference.worse


def test_saved_scores_are_those_of_the_saved_masks(runs):
    """Dice by hand from the mask files, independent of the code that scored them."""
    frozen, _ = runs
    rows = frozen.predictions.query("split == 'test'").head(5)
    for row in rows.itertuples():
        truth = np.array(Image.open(row.target)) > 127
        predicted = np.array(Image.open(frozen.folder / "predictions" / f"{row.id}.png")) > 127
        assert predicted.shape == truth.shape
        assert row.dice == pytest.approx(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()), abs=1e-9)


def test_a_run_predicts_without_data_or_weights_package(runs, tmp_path, monkeypatch):
    frozen, _ = runs
    moved = tmp_path / "moved"
    frozen.folder.rename(moved)
    try:
        monkeypatch.setattr("medgraft.models.weight_packages.PACKAGES", {})
        image = next((ISIC / "images").iterdir())
        prediction = mg.Run(moved).predict(image)
        with Image.open(image) as picture:
            assert prediction.mask.shape == picture.size[::-1]
        assert set(np.unique(prediction.mask)) <= {0, 255}
    finally:
        moved.rename(frozen.folder)
