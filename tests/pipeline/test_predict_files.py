"""Predicting thousands of files: tables, what cannot be read, what was broken off, many models, many looks."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from predicting import BINARY, call, mask_run, pixels, snapshot

from medgraft.errors import RecipeError, RunError
from medgraft.inference import Windows, answerer_of
from medgraft.pipeline.predict import PredictOptions, predict_files
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.weightfile import load_weights, save_weights


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """70 images in two folders, of two sizes."""
    root = tmp_path_factory.mktemp("new")
    for number in range(70):
        place = root / ("left" if number % 2 else "right") / f"{number:02d}.png"
        place.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(place), pixels(number, height=40 + number % 3))
    return root


def test_masks_and_their_table(masker, images, tmp_path, capsys):
    code, out, err = call(capsys, masker.folder, images, "--out", tmp_path)
    assert (code, err) == (0, "")
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert list(table) == ["image", "mask", "area_lesion", "confidence", "entropy"] and len(table) == 70
    assert table["image"].tolist() == sorted(str(file) for file in images.rglob("*.png"))
    assert out.splitlines() == [*(str(tmp_path / mask) for mask in table["mask"]), str(tmp_path / "predictions.csv")]
    for row in table.iloc[::23].itertuples():
        alone = masker.predict(row.image)
        mask = cv2.imread(str(tmp_path / row.mask), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(mask, alone.mask) and 0 < (mask == 255).mean() < 1
        assert row.area_lesion == (mask == 255).mean()
        assert row.confidence == pytest.approx(alone.probability[mask == 255].mean(), abs=1e-5)
        shown = cv2.imread(str(tmp_path / row.mask.replace("_mask", "_overlay")))
        assert shown.shape == (*mask.shape, 3)
    assert not (tmp_path / "errors.csv").exists()


def test_labels_without_overlays_as_parquet(labeller, images, tmp_path, capsys):
    table = tmp_path / "all.parquet"
    code, out, _ = call(capsys, labeller.folder, images / "left", "--out", tmp_path / "o", "--table", table)
    found = pd.read_parquet(table)
    assert code == 0 and out.splitlines()[-1] == str(table)
    assert list(found) == ["image", "predicted", "p_normal", "p_ill"] and len(found) == 35
    probabilities = np.stack([labeller.predict(image).probabilities for image in found["image"]])
    np.testing.assert_allclose(found[["p_normal", "p_ill"]], probabilities, atol=1e-6)
    assert [file.name for file in (tmp_path / "o").iterdir()] == [".progress.jsonl"]


def test_a_list_in_python_is_what_each_alone_is(masker, images):
    files = sorted(images.rglob("*.png"))[:20]
    arrays = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    together = masker.predict([*files[:10], *arrays[10:]])
    assert len(together) == 20 and masker.predict([]) == []
    for one, array in zip(together, arrays, strict=True):
        np.testing.assert_allclose(one.probability, masker.predict(array).probability, atol=1e-6)


def test_what_cannot_be_read_is_listed_and_the_rest_done(masker, images, tmp_path, capsys):
    place = shutil.copytree(images / "left", tmp_path / "some")
    for number in range(1, 50, 2):
        (place / f"{number:02d}.png").write_bytes(b"no picture")
    code, out, err = call(capsys, masker.folder, place, "--out", tmp_path / "o", "--json")
    said = json.loads(out)
    assert code == 2 and "25 of 35 images could not be read, the others are done" in err
    assert err.count(".png: ") == 20 and f"and 5 more: {tmp_path / 'o' / 'errors.csv'}" in err
    errors = pd.read_csv(tmp_path / "o" / "errors.csv")
    assert errors["image"].tolist() == [str(place / f"{number:02d}.png") for number in range(1, 50, 2)]
    assert [entry["error"] for entry in said["failed"]] == errors["error"].tolist()
    assert [row["image"] for row in said["predictions"]] == pd.read_csv(said["table"])["image"].tolist()
    assert len(list((tmp_path / "o").glob("*_mask.png"))) == 10
    # Mended, they are done too, and nothing is said of them any more.
    shutil.copytree(images / "left", place, dirs_exist_ok=True)
    code, _, err = call(capsys, masker.folder, place, "--out", tmp_path / "o", "--resume")
    assert (code, err) == (0, "") and not (tmp_path / "o" / "errors.csv").exists()
    assert len(pd.read_csv(tmp_path / "o" / "predictions.csv")) == 35


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from medgraft.pipeline.predict import PredictOptions, predict_files
from medgraft.progress import Observer
class Dying(Observer):
    def working(self, what, done, total):
        if done >= 40:
            os.kill(os.getpid(), signal.SIGKILL)
predict_files(sys.argv[1], [sys.argv[2]], PredictOptions(out=Path(sys.argv[3])), Dying())
"""


def test_killed_and_resumed_is_the_same_as_unbroken(masker, images, tmp_path):
    words = [sys.executable, "-c", KILLED, str(masker.folder), str(images), str(tmp_path / "broken")]
    process = subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    done = snapshot(tmp_path / "broken")
    assert "predictions.csv" not in done and 0 < len(done) < 141
    # As if it had died while it wrote the line of a unit.
    with (tmp_path / "broken/.progress.jsonl").open("a") as journal:
        journal.write('{"rows": [[{"image": "')
    seen = Counting()
    predict_files(masker.folder, [images], PredictOptions(out=tmp_path / "broken", resume=True), seen)
    predict_files(masker.folder, [images], PredictOptions(out=tmp_path / "whole"), Observer())
    assert snapshot(tmp_path / "broken") == snapshot(tmp_path / "whole")
    # 40 of 70 in units of 16: two units were done before.
    assert len(seen.masks) == 70 - 32


class Counting(Observer):
    def __init__(self):
        self.masks = []

    def say(self, line):
        self.masks += [line] if line.endswith("_mask.png") else []


def test_what_was_done_with_other_options_is_not_resumed(masker, images, tmp_path):
    start = PredictOptions(out=tmp_path, overlays=False)
    predict_files(masker.folder, [images / "left"], start, Observer())
    for change in ({"threshold": 0.3}, {"tta": "left-right"}, {"masks": "png"}, {"overlays": True}):
        options = PredictOptions(**{"out": tmp_path, "overlays": False, "resume": True} | change)
        with pytest.raises(RecipeError, match=f"begun with {next(iter(change))} .*--resume"):
            predict_files(masker.folder, [images / "left"], options, Observer())


def test_on_resume_a_changed_image_and_a_lost_mask_are_done_again(masker, images, tmp_path):
    place = shutil.copytree(images, tmp_path / "new")
    options = PredictOptions(out=tmp_path / "o", resume=True)
    before = predict_files(masker.folder, [place], options, Observer()).rows
    cv2.imwrite(str(place / "left/01.png"), 255 - pixels(1))
    (tmp_path / "o/right/68_mask.png").unlink()
    seen = Counting()
    after = predict_files(masker.folder, [place], options, seen).rows
    assert [row["image"] for row in before] == [row["image"] for row in after]
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1
    # The units of the two: the first 16 images, and the last 6.
    assert len(seen.masks) == 16 + 6 and (tmp_path / "o/right/68_mask.png").is_file()


def test_several_runs_many_looks_and_windows(masker, images, tmp_path, capsys):
    other = mask_run(tmp_path / "other", seed=1)
    image = sorted(images.rglob("*.png"))[0]
    words = ["--with", other.folder, "--tta", "policy", "--window-side", "24", "--threshold", "0.4"]
    code, _, err = call(capsys, masker.folder, image, "--out", tmp_path / "o", *words)
    assert (code, err) == (0, "")
    row = pd.read_csv(tmp_path / "o/predictions.csv").iloc[0]
    answer = answerer_of(masker, others=[other], tta="policy", windows=Windows(0.5, 24), threshold=0.4).predict(image)
    assert row["disagreement"] == pytest.approx(answer.disagreement, rel=1e-5) and answer.disagreement > 0
    assert np.array_equal(cv2.imread(str(tmp_path / "o" / row["mask"]), cv2.IMREAD_UNCHANGED), answer.prediction.mask)
    assert set(np.unique(answer.prediction.mask)) <= {0, 255} and BINARY.count == 2


def test_runs_that_do_not_fit_and_runs_that_broke_off(masker, labeller, images, tmp_path, capsys):
    code, _, err = call(capsys, masker.folder, images, "--with", labeller.folder, "--out", tmp_path / "o")
    assert code == 2 and "cannot answer together" in err and not (tmp_path / "o").exists()
    broken = shutil.copytree(masker.folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    code, _, err = call(capsys, broken, images, "--out", tmp_path / "o")
    assert code == 2 and "no model.safetensors" in err and not (tmp_path / "o").exists()


def test_a_model_that_answers_with_no_numbers_is_refused(labeller, masker, images, tmp_path, capsys):
    for run in (labeller, masker):
        broken = shutil.copytree(run.folder, tmp_path / run.name)
        state = load_weights(broken / "model.safetensors")
        save_weights(broken / "model.safetensors", {name: value * float("nan") for name, value in state.items()})
        code, _, err = call(capsys, broken, images / "left", "--out", tmp_path / "o")
        assert code == 2 and "NaN" in err and "Traceback" not in err
        assert not (tmp_path / "o/predictions.csv").exists()
        with pytest.raises(RunError, match="NaN"):
            Run(broken).predict(images / "left/01.png")


def test_windows_take_the_scale_that_the_run_recorded(ellipses, tmp_path, capsys):
    """Training images of 48 x 64: windows of an image twice as large are as large as they were."""
    from medgraft import fit

    options = {"model": "unet", "strategy": "scratch", "widths": (4, 8), "size": 32, "epochs": 1, "bootstrap": 100}
    run = fit(
        ellipses, out=tmp_path / "run", observer=Observer(), precision="fp32", memory_format="contiguous", **options
    )
    assert run.model_info["source_size"] == [48, 64]
    shown = answerer_of(Run(run.folder), windows=Windows()).look(np.zeros((96, 128, 3), np.uint8)).shown[0]
    assert shown.shape == (64, 64, 3)
