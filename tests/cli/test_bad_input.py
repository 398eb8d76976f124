"""Bad input, as a new user meets it: exit code 2, one message that says what, where and what to do, no leftovers."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import TINY, nothing_begun, refused, snapshot, stores
from safetensors.torch import save_file

# -- images and masks ----------------------------------------------------------------------------------------------


def _no_mask(folder):
    (folder / "masks/case_03_mask.png").unlink()


def _no_image(folder):
    (folder / "images/case_03.png").unlink()


def _other_size(folder):
    cv2.imwrite(str(folder / "masks/case_03_mask.png"), np.zeros((40, 64), np.uint8))


def _truncated_jpeg(folder):
    image = folder / "images/case_03.png"
    encoded = cv2.imencode(".jpg", cv2.imread(str(image)))[1].tobytes()
    image.unlink()
    image.with_suffix(".jpg").write_bytes(encoded[: len(encoded) // 2])


def _no_bytes(folder):
    (folder / "images/case_03.png").write_bytes(b"")


def _text(folder):
    (folder / "masks/case_03_mask.png").write_text("this is no picture")


def _strange_value(folder):
    path = str(folder / "masks/case_03_mask.png")
    mask = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    mask[0, 0] = 7
    cv2.imwrite(path, mask)


def _all_empty(folder):
    for path in (folder / "masks").iterdir():
        cv2.imwrite(str(path), np.zeros((48, 64), np.uint8))


def _no_files(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def _no_images_in_folders(folder):
    _no_files(folder)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()


def _one_image(folder):
    for path in [*folder.glob("images/*"), *folder.glob("masks/*")]:
        if not path.name.startswith("case_00"):
            path.unlink()


def _gone(folder):
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (_no_mask, ("lesions/images have no mask", "case_03.png", "Add what is missing or move the rest away")),
        (_no_image, ("lesions/masks have no image", "case_03_mask.png", "Add what is missing or move the rest away")),
        (_other_size, ("images/case_03.png is 64 x 48", "case_03_mask.png is 64 x 40", "draw it anew")),
        (_truncated_jpeg, ("images/case_03.jpg", "truncated", "replace the file or take it out")),
        (_no_bytes, ("images/case_03.png", "empty (0 bytes)", "replace the file or take it out")),
        (_text, ("masks/case_03_mask.png", "not an image", "replace the file or take it out")),
        (_strange_value, ("7 (case_03_mask.png)", "--mask-values 0=background,7=")),
        (_all_empty, ("all 20 masks are empty", "masks/case_00_mask.png", "--mask-values")),
        (_no_files, ("the folder is empty", "images/ and masks/")),
        (_no_images_in_folders, ("lesions/images: no images", ".png")),
        (_one_image, ("one image in all", "case_00.png")),
        (_gone, ("lesions: no such folder or file",)),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_images_and_masks(medgraft, workplace, lesions, spoil, parts):
    spoil(lesions)
    refused(medgraft("fit", "lesions", *TINY), *parts)
    nothing_begun(workplace)


def test_every_bad_file_is_listed_at_once(medgraft, workplace, lesions):
    _text(lesions)
    (lesions / "images/case_05.png").write_bytes(b"")
    refused(medgraft("fit", "lesions", *TINY), "2 of 20", "\n  ", "case_03_mask.png", "case_05.png")
    nothing_begun(workplace)


def test_value_beside_the_mapped_ones(medgraft, workplace, lesions):
    _strange_value(lesions)
    said = medgraft("fit", "lesions", *TINY, "--mask-values", "0=background,255=lesion")
    refused(said, "case_03_mask.png", "nobody mapped the mask values 7", "255=lesion", "--mask-values")
    nothing_begun(workplace)


def test_group_in_two_splits_of_a_split_file(medgraft, workplace, lesions):
    splits = ["train"] * 14 + ["val"] * 3 + ["test"] * 3
    rows = [f"case_{i:02d},{split},patient{i // 4}" for i, split in enumerate(splits)]
    Path("split.csv").write_text("\n".join(["id,split,group", *rows]))
    said = medgraft("fit", "lesions", *TINY, "--split-file", "split.csv")
    refused(said, "split.csv", "patient3, patient4", "Put all images of a group into one split")
    nothing_begun(workplace)


def test_every_image_in_train_of_a_split_file(medgraft, workplace, lesions):
    Path("split.csv").write_text("\n".join(["id,split", *[f"case_{i:02d},train" for i in range(20)]]))
    said = medgraft("fit", "lesions", *TINY, "--split-file", "split.csv")
    refused(said, "lesions: every image is in train", "nothing is left to score the model on", "--ratios")
    assert not (workplace / "runs").exists()


def test_every_image_in_train_of_a_column_and_no_share_for_the_rest(medgraft, workplace, lesions):
    rows = [f"lesions/images/case_{i:02d}.png,lesions/masks/case_{i:02d}_mask.png,train" for i in range(20)]
    Path("own.csv").write_text("\n".join(["image,mask,split", *rows]))
    said = medgraft("fit", "own.csv", *TINY, "--ratios", "1,0,0")
    refused(said, "own.csv: every image is in train", "nothing is left to score the model on", "--ratios")
    assert not (workplace / "runs").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--strategy", "scratch", "--size", "32"),
        ("--strategy", "scratch", "--size", "64", "--model", "smp:deeplabv3plus", "--encoder", "resnet18"),
        ("--strategy", "gradual", "--size", "32", "--model", "smp:fpn", "--unfreeze-every", "1"),
    ],
    ids=["one value a channel at the bottleneck", "a decoder that pools the whole image", "an encoder freed later"],
)
def test_batches_of_one_image_that_batch_norm_cannot_take(medgraft, workplace, lesions, options):
    said = medgraft("fit", "lesions", "--batch-size", "1", *options)
    refused(said, "batch_size: batches of one image", "take batches of 2 or more")
    nothing_begun(workplace)


def test_an_engine_that_is_not_installed(medgraft, workplace, lesions, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else found(name))
    said = medgraft("fit", "lesions", *TINY, "--engine", "openvino")
    refused(said, "openvino is not installed", "extra cpu")
    nothing_begun(workplace)


def test_no_space_left_for_the_store(medgraft, workplace, lesions, monkeypatch):
    def full(_file, _offset, _length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    said = medgraft("fit", "lesions", *TINY)
    refused(said, str(workplace.parent / "cache"), "No space left on device", "Make room", "MEDGRAFT_CACHE")
    nothing_begun(workplace)


def test_data_that_is_an_image(medgraft, workplace, lesions):
    refused(medgraft("fit", "lesions/images/case_00.png", *TINY), "case_00.png", "give a folder, a CSV file")
    nothing_begun(workplace)


# -- model, weights, recipe ----------------------------------------------------------------------------------------


def _tensors(path):
    save_file({f"layer{index}.weight": torch.zeros(2) for index in range(12)}, path)


FROZEN = ("--size", "32", "--epochs", "1")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ((*FROZEN, "--encoder", "efficientnet-b0"), ("no encoder 'efficientnet-b0'", "Did you mean efficientnet_b0")),
        (
            (*FROZEN, "--weights", "other.safetensors"),
            ("other.safetensors", "do not fit", "conv_stem.weight", "layer0"),
        ),
        ((*FROZEN, "--weights", "damaged.pt"), ("damaged.pt", "Save the tensors alone")),
        ((*FROZEN, "--weights", "absent.pt"), ("absent.pt: there is no such file", "Give a .safetensors file")),
        ((*FROZEN, "--encoder", "resnet50"), ("no pretrained weights for resnet50", "--weights", "--strategy scratch")),
        ((*FROZEN, "--model", "enc_unet"), ("no model 'enc_unet'", "Did you mean encoder_unet")),
        ((*FROZEN, "--model", "unet"), ("model unet has none", "choose")),
        ((*FROZEN, "--strategy", "partial", "--blocks", "99"), ("blocks: 99", "only 8")),
        ((*TINY, "--loss", "dise"), ("no loss 'dise'", "Did you mean dice")),
        ((*TINY, "--threshold", "2"), ("threshold: must be less than 1 (got 2.0)",)),
        ((*TINY, "--lr", "-1"), ("lr: must be greater than 0",)),
        ((*TINY, "--ratios", "0.5,0.5"), ("ratios: three shares", "0.7,0.15,0.15")),
        ((*TINY, "--mask-values", "lesion"), ("mask_values: write it as VALUE=NAME",)),
        ((*TINY, "--recipe", "key.yaml"), ("key.yaml: no option 'sizee'", "Did you mean size")),
        ((*TINY, "--recipe", "nested.yaml"), ("nested.yaml: augment.rotatoin", "Did you mean rotation")),
        ((*TINY, "--recipe", "range.yaml"), ("range.yaml: threshold: must be less than 1 (got 3)",)),
        ((*TINY, "--recipe", "broken.yaml"), ("broken.yaml: cannot be read as a YAML recipe",)),
        ((*TINY, "--recipe", "absent.yaml"), ("absent.yaml: no such recipe file",)),
        ((*TINY, "--split-file", "absent.csv"), ("absent.csv: no such split file",)),
        ((*TINY, "--group", "patient"), ("lesions", "'patient'")),
        ((*TINY, "--epochs", "many"), ("--epochs", "'many'", "medgraft fit --help")),
        ((*FROZEN, "--strategy", "frozn"), ("--strategy", "'frozn'", "'frozen'", "medgraft fit --help")),
        ((*TINY, "--epoch", "3"), ("no option --epoch.", "Did you mean epochs", "medgraft fit --help")),
        ((*TINY, "more"), ("more arguments than it takes: more", "medgraft fit --help")),
    ],
    ids=lambda value: " ".join(value[-2:]) if "--size" in value else "",
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["", "dry"])
def test_options(medgraft, workplace, lesions, options, parts, dry):
    """Said before an image is decoded, and by a dry run too."""
    _tensors("other.safetensors")
    Path("damaged.pt").write_bytes(b"no pickle")
    Path("key.yaml").write_text("sizee: 32\n")
    Path("nested.yaml").write_text("augment: {policy: xray, rotatoin: 3}\n")
    Path("range.yaml").write_text("threshold: 3\n")
    Path("broken.yaml").write_text("size: [\n")
    refused(medgraft("fit", "lesions", *options, *dry), *parts)
    nothing_begun(workplace)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_device_that_is_not_there(medgraft, workplace, lesions, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    refused(medgraft("fit", "lesions", *TINY, "--device", device), f"no {device} device", "choose cpu, or auto")
    nothing_begun(workplace)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("fti", "lesions"), ("'fti'", "'fit'", "medgraft --help")),
        (("fit",), ("DATA", "medgraft fit --help")),
        (("--verbose",), ("no option --verbose", "medgraft --help")),
    ],
)
def test_words_that_are_no_command(medgraft, words, parts):
    refused(medgraft(*words), *parts)


# -- run folders ---------------------------------------------------------------------------------------------------


def test_run_folder_that_exists(medgraft, workplace, lesions):
    (workplace / "out").mkdir()
    (workplace / "out/thesis.txt").write_text("years of work")
    said = medgraft("fit", "lesions", *TINY, "--out", "out")
    refused(said, "out exists already", "--out", "--resume")
    assert [path.name for path in (workplace / "out").iterdir()] == ["thesis.txt"]
    assert stores(workplace) == []


def test_run_folder_below_a_file(medgraft, workplace, lesions):
    Path("file").write_text("")
    refused(medgraft("fit", "lesions", *TINY, "--out", "file/run"), "file/run cannot be made", "--out")
    nothing_begun(workplace)


@pytest.mark.parametrize("command", ["report", "compare", "predict", "fit"])
def test_run_folder_from_a_newer_version(medgraft, workplace, lesions, trained, command):
    shutil.copytree(trained, "newer")
    info = json.loads(Path("newer/model.json").read_text())
    Path("newer/model.json").write_text(json.dumps(info | {"format": 99, "medgraft": "9.1"}))
    before = snapshot("newer")
    words = {
        "report": ("newer",),
        "compare": (trained, "newer"),
        "predict": ("newer", "lesions/images"),
        "fit": ("lesions", "--out", "newer", "--resume"),
    }[command]
    refused(medgraft(command, *words), "newer", "medgraft 9.1", "Upgrade medgraft")
    assert snapshot("newer") == before
    assert sorted(path.name for path in workplace.iterdir()) == ["lesions", "newer"]
    assert stores(workplace) == []


@pytest.mark.parametrize("words", [("report",), ("predict", "lesions"), ("compare", "lesions")])
def test_folder_that_is_no_run(medgraft, lesions, words):
    said = medgraft(words[0], "lesions", *("lesions/images" for _ in words[1:]))
    refused(said, "lesions: not a run folder", "give the folder that a training wrote")


@pytest.mark.parametrize("command", ["report", "compare", "predict"])
def test_run_that_has_not_ended(medgraft, lesions, trained, command):
    shutil.copytree(trained, "begun")
    for name in ("scores.json", "predictions.csv", "model.safetensors"):
        Path("begun", name).unlink()
    words = {"report": (), "compare": (trained,), "predict": ("lesions/images",)}[command]
    refused(medgraft(command, "begun", *words), "begun", "training has not ended", "--resume")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("model.json", "report"),
        ("scores.json", "report"),
        ("predictions.csv", "report"),
        ("predictions.csv", "compare"),
        ("model.safetensors", "predict"),
        ("recipe.yaml", "compare"),
    ],
)
def test_damaged_file_in_a_run(medgraft, lesions, trained, file, command):
    shutil.copytree(trained, "damaged")
    Path("damaged", file).write_text("" if file.endswith("csv") else "{")
    words = {"report": (), "compare": (trained,), "predict": ("lesions/images",)}[command]
    refused(medgraft(command, "damaged", *words), f"damaged/{file}", "cannot be read")


def test_resume_of_nothing(medgraft, workplace, lesions):
    refused(medgraft("fit", "lesions", *TINY, "--out", "out", "--resume"), "out: no such run folder")
    nothing_begun(workplace)


def test_resume_of_a_folder_that_is_no_run(medgraft, workplace, lesions):
    said = medgraft("fit", "lesions", *TINY, "--out", "lesions", "--resume")
    refused(said, "lesions: not a run folder")
    assert sorted(path.name for path in lesions.iterdir()) == ["images", "masks"]


def test_resume_with_a_changed_option(medgraft, lesions, trained):
    shutil.copytree(trained, "run")
    before = snapshot("run")
    said = medgraft("fit", "lesions", "--out", "run", "--resume", "--lr", "0.1", "--loss", "dice")
    refused(said, "lr (0.002 -> 0.1)", "loss (combo -> dice)", "Leave these options out")
    assert snapshot("run") == before


def test_resume_without_the_engine_that_the_run_began_with(medgraft, ellipses, trained, monkeypatch):
    shutil.copytree(trained, "run")
    Path("run/scores.json").unlink()
    begun = json.loads(Path("run/environment.json").read_text())
    begun["choices"]["engine"] = "openvino"
    Path("run/environment.json").write_text(json.dumps(begun))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else found(name))
    refused(medgraft("fit", ellipses, "--out", "run", "--resume"), "openvino is not installed")


def test_demo_among_runs_of_another_data_folder(medgraft, workplace, ellipses, lesions, trained):
    shutil.copytree(trained, "out/unet-scratch")
    before = snapshot("out")
    said = medgraft("demo", "lesions", "--out", "out")
    refused(said, f"out/unet-scratch is a run on {ellipses}, not on {lesions}", "--out")
    assert snapshot("out") == before
    assert stores(workplace) == []


# -- compare and predict -------------------------------------------------------------------------------------------


def test_compare_one_run(medgraft, workplace, trained):
    refused(medgraft("compare", trained), "at least two runs")
    assert list(workplace.iterdir()) == []


def test_compare_a_run_with_itself(medgraft, workplace, trained):
    refused(medgraft("compare", trained, trained), "named twice")
    assert list(workplace.iterdir()) == []


def test_compare_without_common_images(medgraft, lesions, trained):
    for path in [*lesions.glob("images/*"), *lesions.glob("masks/*")]:
        path.rename(path.with_name(f"other_{path.name}"))
    assert medgraft("fit", "lesions", *TINY, "--out", "run").code == 0
    refused(medgraft("compare", trained, "run"), "no test image in common", "--split-file")
    assert not Path("comparison").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("absent.png",), ("absent.png: no such file",)),
        (("nothing",), ("nothing: no image in this folder",)),
        (("lesions/images", "--threshold", "2"), ("--threshold", "between 0 and 1", "2.0")),
        (("lesions/*.bmp",), ("lesions/*.bmp: no image matches this pattern",)),
        (("lesions/images", "--table", "all.xlsx"), ("all.xlsx", ".csv", ".parquet")),
        (("lesions/images", "--tta", "sideways"), ("'sideways'", "left-right")),
        (("lesions/images", "--windows", "1"), ("overlap", "1.0")),
        (("lesions/images", "--masks", "nifti"), ("case_00.png", "no volume")),
        (("lesions/images", "--masks", "dicom"), ("case_00.png", "no DICOM file")),
        (("lesions/images", "--with", "lesions"), ("lesions: not a run folder",)),
        (("lesions/images", "--out", "file"), ("file is a file", "--out")),
    ],
)
def test_predict(medgraft, lesions, trained, words, parts):
    Path("nothing").mkdir()
    Path("file").write_text("")
    refused(medgraft("predict", trained, *words), *parts)
    assert not Path("predictions").exists()


def test_predict_does_the_rest_where_a_file_is_unreadable(medgraft, lesions, trained):
    (lesions / "images/case_00.png").write_bytes(b"")
    (lesions / "images/case_01.png").write_text("no picture")
    said = medgraft("predict", trained, "lesions/images", "--out", "masks")
    refused(
        said, "2 of 20 images", "the others are done", "\n  lesions/images/case_00.png", "\n  lesions/images/case_01"
    )
    done = [f"case_{i:02d}_{kind}.png" for i in range(2, 20) for kind in ("mask", "overlay")]
    tables = [".progress.jsonl", "errors.csv", "predictions.csv"]
    assert sorted(path.name for path in Path("masks").iterdir()) == sorted(done + tables)
    assert said.out.splitlines() == [*(f"masks/case_{i:02d}_mask.png" for i in range(2, 20)), "masks/predictions.csv"]


def test_disk_that_refuses_is_no_defect(medgraft, lesions, trained, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "predictions")

    monkeypatch.setattr("medgraft.pipeline.predicting.work.save_mask", full)
    refused(medgraft("predict", trained, "lesions/images"), "predictions: No space left on device", "make room")


def test_a_defect_of_ours_is_told_apart(medgraft, lesions, trained, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("medgraft.pipeline.predicting.work.save_mask", broken)
    said = medgraft("predict", trained, "lesions/images")
    assert said.code == 1
    assert "ZeroDivisionError" in said.err and "defect of medgraft" in said.err
