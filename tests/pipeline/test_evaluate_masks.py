"""evaluate on masks: temperature of pixels, threshold by Dice, several looks, and other images."""

import math
import re

import cv2
import evaluating
import numpy as np
import pandas as pd
import pytest
from evaluating import MASKS, copied, evaluated, snapshot, trained

from medgraft import Run
from medgraft.errors import DataError, RecipeError

pytestmark = pytest.mark.usefixtures("no_pages")


@pytest.fixture(scope="module")
def original(ellipses, tmp_path_factory):
    return trained(ellipses, tmp_path_factory.mktemp("runs") / "shapes", ratios=(0.4, 0.3, 0.3), **MASKS)


@pytest.fixture
def run(original, tmp_path):
    return copied(original, tmp_path)


def dice(said, true):
    total = said.sum() + true.sum()
    return 2 * (said & true).sum() / total if total else 1.0


def truth_of(row):
    return cv2.imread(row["target"], cv2.IMREAD_GRAYSCALE) > 0


def test_the_threshold_of_the_largest_mean_dice_on_validation_images(run):
    found, _ = evaluated(run, threshold="dice")
    opened = Run(run.folder)
    rows = opened.predictions
    val = rows[rows["split"] == "val"].to_dict("records")
    pairs = [(opened.predict(row["image"]).probability, truth_of(row)) for row in val]
    grid = np.arange(1, 100) / 100
    means = np.array([np.mean([dice(p >= np.float32(t), true) for p, true in pairs]) for t in grid])
    threshold = opened.model_info["threshold"]
    assert means[round(100 * threshold) - 1] == pytest.approx(means.max(), abs=1e-9)
    choice = found.findings["threshold"]["choice"]
    assert choice["rule"] == "dice" and choice["scores"]["dice"]["value"] == pytest.approx(means.max(), abs=1e-6)
    # Scores and saved masks are of that threshold.
    for row in rows[rows["split"] == "test"].to_dict("records"):
        prediction = opened.predict(row["image"])
        assert row["dice"] == pytest.approx(dice(prediction.classes > 0, truth_of(row)), abs=2e-3)
        saved = cv2.imread(str(run.folder / "predictions" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        assert (saved != prediction.mask).mean() < 1e-3


def test_the_temperature_of_pixels_lowers_their_loss_and_twice_is_the_same(run):
    found, _ = evaluated(run)
    fit = found.findings["temperature"]["fit"]
    assert fit["after"] < fit["before"] and fit["n"] == 6 * 1000
    assert run.model_info["threshold"] == 0.5
    first = snapshot(run.folder)
    evaluated(run)
    assert snapshot(run.folder) == first


def test_structures_sizes_and_the_page(run, pages):
    found, _ = evaluated(run)
    rows = run.predictions
    test = rows[rows["split"] == "test"]
    (structures,) = found.findings["structures"]
    assert structures["true"] == len(test) and structures["found"] + structures["missed"] == len(test)
    (sizes,) = found.findings["agreement"]
    true = [truth_of(row).sum() for row in test.to_dict("records")]
    np.testing.assert_array_equal(sizes["true"], true)
    assert sizes["bias"]["value"] == pytest.approx(np.mean(np.array(sizes["predicted"]) - true))
    curve = found.findings["risk_coverage"]
    assert curve["risk"][0] == pytest.approx(1 - test["dice"].mean()) and curve["referred"][0] == 0
    page = found.report.read_text()
    titles = [label for label in re.findall(r'aria-label="([^"]*)"', page) if label.startswith(("Structures", "Size"))]
    assert len(titles) == 2 and f"of {len(test)} structures found" in titles[0] and "bias" in titles[1]
    assert (found.folder / "figures" / "structures-1.png").is_file()
    assert (found.folder / "figures" / "agreement-1.png").is_file()
    slope = sizes["slope"]
    assert re.search(rf">{slope['value']:.3f}<small[^>]*>{slope['low']:.3f} to {slope['high']:.3f}<", page)
    for words in ("Do sizes agree?", "Found, missed, and too many", "What if the unsure ones go to a person?", "HD95"):
        assert words in page
    assert page.count("Dice ") > 3 and 'src="data:image/jpeg' in page
    assert (run.folder / "README.md").read_text().startswith("---\nlicense: unknown\n")


def test_other_images_with_other_mask_values(run, ellipses, tmp_path, pages):
    other = evaluating.mirrored(ellipses, tmp_path / "other", 8)
    for mask in (other / "masks").iterdir():
        cv2.imwrite(str(mask), cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) // 255)
    before = snapshot(run.folder)
    found, _ = evaluated(run, other, out=tmp_path / "out")
    assert snapshot(run.folder) == before
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    for row in rows.to_dict("records"):
        prediction = run.predict(row["image"])
        assert row["dice"] == pytest.approx(dice(prediction.classes > 0, truth_of(row)), abs=2e-3)
    assert len(list((tmp_path / "out" / "predictions").glob("*.png"))) == 8
    # The plain U-Net has no encoder of its own, so the one that needs no network looks.
    assert found.findings["distance"]["encoder"] == "tf_efficientnet_lite0"


def test_other_images_with_more_classes(run, ellipses, tmp_path):
    other = evaluating.mirrored(ellipses, tmp_path / "other", 4)
    for mask in (other / "masks").iterdir():
        pixels = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        pixels[:2] = 128
        cv2.imwrite(str(mask), pixels)
    with pytest.raises(DataError, match="the run does not know ink, lesion"):
        evaluated(run, other, out=tmp_path / "out", mask_values="0=background,128=ink,255=lesion")


def test_several_looks_leave_the_run_as_it_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = snapshot(run.folder)
    found, _ = evaluated(run, tta="left-right")
    assert snapshot(run.folder) == before and found.folder.name == f"{run.name}-tta-left-right"
    rows = pd.read_csv(found.folder / "predictions.csv")
    test = rows[rows["split"] == "test"].to_dict("records")
    for row in test:
        pixels = cv2.imread(row["image"])[..., ::-1]
        both = run.predict(np.ascontiguousarray(pixels)), run.predict(np.ascontiguousarray(pixels[:, ::-1]))
        mean = (both[0].probability + both[1].probability[:, ::-1]) / 2
        assert row["dice"] == pytest.approx(dice(mean >= 0.5, truth_of(row)), abs=5e-3)
    with pytest.raises(RecipeError, match="chosen on the run's own validation images, each looked at once"):
        evaluated(run, tta="left-right", threshold="dice")


def test_an_ensemble_is_scored_by_its_mean_and_its_disagreement_sends_images_to_people(
    original, run, ellipses, tmp_path, pages
):
    other = trained(ellipses, tmp_path / "second", ratios=(0.4, 0.3, 0.3), split_file=run.folder / "split.csv",
                    **MASKS | {"seed": 7})  # fmt: skip
    found, _ = evaluated(run, ensemble=[other.folder], out=tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert rows["disagreement"].gt(0).any() and found.findings["way"] == ["ensemble-of-2"]
    test = rows[rows["split"] == "test"].sort_values("disagreement")
    curve = found.findings["risk_by_disagreement"]
    half = math.ceil(len(test) / 2)
    assert len(test) % 2 == 0 and test["disagreement"].is_unique and curve["uncertainty"] == "disagreement"
    assert curve["risk"][-1] == pytest.approx((1 - test["dice"].iloc[:half]).mean()) and curve["referred"][-1] == 0.5
    assert "by how much the models disagree" in found.report.read_text()
    row = rows[rows["split"] == "test"].iloc[0]
    mean = (original.predict(row["image"]).probability + other.predict(row["image"]).probability) / 2
    assert row["dice"] == pytest.approx(dice(mean >= 0.5, truth_of(row)), abs=5e-3)
