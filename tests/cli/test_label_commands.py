"""Labels on the command line: what is printed and written, and what is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from command_line import nothing_begun, refused
from PIL import Image

from medgraft.run import Run

QUICK = ("--size", "64", "--bootstrap", "100", "--engine", "torch")


@pytest.fixture
def table(workplace, pairs):
    """A copy of the 32 images in two class folders, with a CSV to spoil; each patient has two images."""
    folder = Path(shutil.copytree(pairs, workplace / "pairs"))
    files = sorted(folder.rglob("*.png"))
    rows = [
        {"file": str(f.relative_to(folder)), "label": f.parent.name, "patient": f"p{i // 2}"}
        for i, f in enumerate(files)
    ]
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def _spoil(table, **changes):
    frame = pd.read_csv(table, dtype=str)
    for column, values in changes.items():
        frame[column] = values(frame) if callable(values) else values
    frame.to_csv(table, index=False)


def test_fit_predict_and_report(medgraft, workplace, table):
    said = medgraft("fit", table, *QUICK)
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    # With two classes neither of which says that nothing was found, they are sorted.
    assert lines[0].startswith("pairs: 32 images · 2 classes: cross 16, disc 16 · 16 groups · ")
    assert lines[-2].startswith("test   AUC ") and "balanced accuracy" in lines[-2]
    assert lines[-1] == "runs/pairs-frozen-64/report.html" and Path(lines[-1]).is_file()
    images = sorted(Path("pairs/disc").iterdir())[:2]
    said = medgraft("predict", "runs/pairs-frozen-64", *images, "--out", "labels")
    found = pd.read_csv("labels/predictions.csv")
    assert said.out.splitlines()[-1] == "labels/predictions.csv"
    assert list(found.columns) == ["image", "predicted", "p_cross", "p_disc"] and len(found) == 2
    run = Run("runs/pairs-frozen-64")
    for row, image in zip(found.to_dict("records"), images, strict=True):
        assert row["p_disc"] == pytest.approx(float(run.predict(image).probabilities[1]))
        assert said.out.count(f"{image}: {row['predicted']} (cross ") == 1
    assert medgraft("report", "runs/pairs-frozen-64").out == "runs/pairs-frozen-64/report.html\n"


def test_the_threshold_moves_the_label_and_not_the_probability(medgraft, workplace, table):
    medgraft("fit", table, *QUICK, "--out", "run")
    image = next(Path("pairs/disc").iterdir())
    for threshold, label in (("0.9999999", "cross"), ("0.0000001", "disc")):
        assert medgraft("predict", "run", image, "--out", label, "--threshold", threshold).code == 0
    low, high = pd.read_csv("disc/predictions.csv"), pd.read_csv("cross/predictions.csv")
    assert low["p_disc"][0] == high["p_disc"][0]
    assert (high["predicted"][0], low["predicted"][0]) == ("cross", "disc")


def test_folds_are_compared(medgraft, workplace, table):
    for name, more in (("a", ()), ("b", ("--encoder", "mobilenetv2_100"))):
        assert medgraft("fit", table, *QUICK, "--group", "patient", "--folds", "2", "--out", name, *more).code == 0
    said = medgraft("compare", "a", "b")
    assert said.code == 0 and "AUC" in said.out and "DeLong p = " in said.out
    plain = json.loads(medgraft("compare", "a", "b", "--json").out)
    assert plain["n"] == 32 and plain["task"] == "classification"


def test_dry_run_shows_classes_recipe_and_model_and_trains_nothing(medgraft, workplace, table):
    said = medgraft("fit", table, "--dry-run", "--strategy", "partial")
    assert said.code == 0
    assert "# pairs: 32 images · 2 classes: cross 16, disc 16" in said.out
    assert "size: 224" in said.out and "model: classifier" in said.out and "task: classification" in said.out
    head = next(line for line in said.out.splitlines() if line.startswith("# head "))
    assert head.split() == ["#", "head", "1", "1,281", "yes", "0.001"]
    assert not Path("runs").exists()


# -- refused -----------------------------------------------------------------------------------------------------


def test_files_that_are_missing_are_all_counted(medgraft, workplace, table):
    for file in sorted(Path("pairs/disc").iterdir())[:12]:
        file.unlink()
    said = medgraft("fit", table)
    refused(said, "12 ", "disc_00.png", "disc_09.png", "2 more")
    assert "disc_10.png" not in said.err
    nothing_begun(workplace)


def test_one_class_alone(medgraft, workplace, table):
    _spoil(table, label="disc")
    refused(medgraft("fit", table), "one class (disc)")
    nothing_begun(workplace)


def test_labels_that_are_missing(medgraft, workplace, table):
    _spoil(table, label=lambda frame: ["NaN", *frame["label"][1:-1], ""])
    refused(medgraft("fit", table), "labels.csv", "2 ", "line")
    nothing_begun(workplace)


def test_spellings_of_one_label_are_merged_and_said(medgraft, workplace, table):
    _spoil(table, label=lambda frame: [" Disc ", *frame["label"][1:]][::-1])
    said = medgraft("fit", table, *QUICK)
    assert said.code == 0 and "2 classes" in said.out and "warning" in said.out and "Disc" in said.out


def test_a_file_under_two_labels(medgraft, workplace, table):
    frame = pd.read_csv(table, dtype=str)
    pd.concat([frame, frame.iloc[:1].assign(label="disc")]).to_csv(table, index=False)
    refused(medgraft("fit", table), "cross_00.png", "cross", "disc")
    nothing_begun(workplace)


def test_a_label_that_training_lacks(medgraft, workplace, table):
    split = ["train"] * 28 + ["val"] * 2 + ["test"] * 2
    _spoil(table, label=lambda frame: [*frame["label"][:-1], "ring"], split=split)
    said = medgraft("fit", table, "--group", "file")
    refused(said, "ring", "train")
    assert not Path("runs").exists()


def test_a_group_column_with_blanks_is_said(medgraft, workplace, table):
    _spoil(table, patient=lambda frame: ["", "", *frame["patient"][2:]])
    said = medgraft("fit", table, *QUICK)
    assert said.code == 0 and "2 images without one stand alone" in said.out


def test_a_class_folder_without_an_image(medgraft, workplace, table):
    table.unlink()
    for file in Path("pairs/disc").iterdir():
        file.write_bytes(b"no image")
    refused(medgraft("fit", "pairs"), "disc")
    nothing_begun(workplace)


def test_images_of_all_kinds_and_smaller_than_the_encoders_stride(medgraft, workplace, table):
    files = sorted(Path("pairs/disc").iterdir())
    grey = cv2.imread(str(files[0]), 0)
    cv2.imwrite(str(files[0]), grey.astype(np.uint16) * 257)
    Image.open(files[1]).convert("RGBA").save(files[1])
    Image.open(files[2]).convert("P").save(files[2])
    Image.open(files[4]).resize((9, 7)).save(files[4])
    cmyk = files[3].with_suffix(".jpg")
    Image.open(files[3]).convert("CMYK").save(cmyk)
    files[3].unlink()
    _spoil(table, file=lambda frame: frame["file"].str.replace(f"disc/{files[3].name}", f"disc/{cmyk.name}"))
    said = medgraft("fit", table, *QUICK)
    assert said.code == 0, said.err
    assert "32 images" in said.out


def test_a_batch_that_is_larger_than_the_data(medgraft, workplace, table):
    more = ("--strategy", "partial", "--epochs", "1", "--batch-size", "500", "--precision", "fp32")
    assert medgraft("fit", table, *QUICK, *more).code == 0


def test_a_batch_of_one_that_batch_norm_cannot_take(medgraft, workplace, table):
    more = ("--strategy", "full", "--size", "32", "--batch-size", "1", "--encoder", "resnet18", "--strategy", "scratch")
    refused(medgraft("fit", table, *more), "batch_size", "BatchNorm")
    nothing_begun(workplace)


def test_an_encoder_that_takes_no_images_so_small(medgraft, workplace, table):
    refused(medgraft("fit", table, "--encoder", "inception_v3", "--strategy", "scratch", "--size", "32"), "at least")
    nothing_begun(workplace)
