"""Volumes, stacks and files of odd names from the command line to the report: fit, predict, what is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import tifffile

from medgraft import Run
from medgraft.cli.main import main
from medgraft.data.formats import volumes
from medgraft.report.pictures import load_case

TINY = (
    *("--model", "unet", "--strategy", "scratch", "--widths", "4,8", "--size", "32", "--epochs", "1"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100", "--channels", "1"),
)
LABELS = (
    *("--strategy", "frozen", "--encoder", "cbr_tiny", "--size", "32", "--epochs", "1", "--precision", "fp32"),
    *("--memory-format", "contiguous", "--bootstrap", "100", "--engine", "torch"),
)
SHAPE = (20, 18, 6)


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))


def organ(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright ball of 300 Hounsfield units in tissue of 40, in air of -1000, and its mask."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SHAPE).transpose(1, 2, 3, 0)
    mask = (((grid - rng.uniform((8, 7, 2), (12, 11, 4))) / (1, 1, 0.5)) ** 2).sum(-1) < 20
    values = rng.normal(40, 10, SHAPE) + 260 * mask
    values[:, :3] = -1000
    return values.astype(np.int16), mask.astype(np.uint8)


def scans(root: Path, count: int = 6) -> Path:
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(count):
        values, mask = organ(number)
        affine = np.diag([-1.0, -1.0, 3.0, 1.0]) if number % 2 else np.diag([1.0, 1.0, 3.0, 1.0])
        nib.Nifti1Image(values, affine).to_filename(root / "images" / f"case{number}.nii.gz")
        nib.Nifti1Image(mask, affine).to_filename(root / "masks" / f"case{number}_seg.nii.gz")
    return root


def call(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on six volumes, by coronal slices through a window; not to be changed."""
    place = tmp_path_factory.mktemp("volumes")
    patch = pytest.MonkeyPatch()
    patch.setenv("MEDGRAFT_CACHE", str(place / "cache"))
    words = ["fit", scans(place / "ct"), *TINY, "--axis", "coronal", "--window", "40/400", "--out", place / "run"]
    assert main([str(word) for word in words]) == 0
    patch.undo()
    return Run(place / "run"), place


def test_slices_of_a_volume_stay_in_one_split(finished):
    run, _ = finished
    split = pd.read_csv(run.folder / "split.csv")
    assert len(split) == 6 * SHAPE[1]
    assert (split.groupby("group")["split"].nunique() == 1).all() and split["group"].nunique() == 6
    assert run.recipe.axis == "coronal" and run.recipe.window == "40/400"


def test_predictions_name_slices_and_masks_are_written(finished):
    run, place = finished
    rows = run.predictions
    assert rows["image"].str.match(rf"{place}/ct/images/case\d\.nii\.gz#coronal-\d\d$").all()
    tested = rows[rows["split"] == "test"]
    files = sorted(file.stem for file in (run.folder / "predictions").glob("*.png"))
    assert files == sorted(tested["id"]) and files[0].startswith("case")
    assert cv2.imread(str(run.folder / "predictions" / f"{files[0]}.png"), cv2.IMREAD_GRAYSCALE).shape == (6, 20)


def test_the_report_shows_slices(finished):
    run, _ = finished
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "6 volumes read as 108 coronal slices" in page
    assert "not there any more" not in page and "cannot be shown" not in page
    assert len(list((run.folder / "figures").glob("best-*.png"))) > 0


def test_pictures_are_shown_through_the_window_of_the_run(finished):
    run, _ = finished
    tested = run.predictions[run.predictions["split"] == "test"]
    row = tested[tested["id"].str.endswith("coronal-16")].iloc[0].to_dict()
    sources = [(run.folder, run.predictor.classes)]
    windowed, plain = load_case(row, sources, window="40/400"), load_case(row, sources)
    # 40 lies in the middle of the window; percentiles of the volume reach down to the air.
    assert np.median(windowed.image) == pytest.approx(128, abs=12) and np.median(plain.image) > 180


def test_every_slice_of_a_volume_is_predicted_from_one_reading(finished, tmp_path, capsys, monkeypatch):
    run, place = finished
    read = []
    own = volumes.volume_nifti.read_volume
    monkeypatch.setattr(volumes.volume_nifti, "read_volume", lambda file: read.append(file.name) or own(file))
    new = shutil.copy(place / "ct" / "images" / "case3.nii.gz", tmp_path / "new.nii.gz")
    code, out, _ = call(capsys, "predict", run.folder, new, "--out", tmp_path / "masks", "--masks", "png")
    names = [f"new-coronal-{number:02d}_mask.png" for number in range(SHAPE[1])]
    assert code == 0 and [Path(line).name for line in out.split()] == [*names, "predictions.csv"]
    assert read == ["new.nii.gz"]
    for name in names:
        mask = cv2.imread(str(tmp_path / "masks" / name), cv2.IMREAD_GRAYSCALE)
        assert mask.shape == (6, 20) and set(np.unique(mask)) <= {0, 1}
    # The window is that of the training, so a slice that was tested gets the same mask again.
    tested = {file.stem: file for file in (run.folder / "predictions").glob("case3*.png")}
    for stem, file in tested.items():
        again = tmp_path / "masks" / f"{stem.replace('case3', 'new')}_mask.png"
        assert again.read_bytes() == file.read_bytes()


def test_one_slice_is_predicted_by_its_address(finished, tmp_path, capsys):
    run, place = finished
    code, out, _ = call(
        capsys, "predict", run.folder, f"{place}/ct/images/case1.nii.gz#axial-2", "--out", tmp_path / "m"
    )
    assert code == 0 and out.split()[0].endswith("case1-axial-2_mask.png")
    assert cv2.imread(out.split()[0], cv2.IMREAD_GRAYSCALE).shape == (18, 20)


def test_prediction_does_the_rest_where_a_volume_is_damaged(finished, tmp_path, capsys):
    run, place = finished
    (tmp_path / "new").mkdir()
    shutil.copy(place / "ct" / "images" / "case1.nii.gz", tmp_path / "new" / "b.nii.gz")
    (tmp_path / "new" / "a.nii.gz").write_bytes(b"no volume")
    code, out, err = call(capsys, "predict", run.folder, tmp_path / "new", "--out", tmp_path / "masks")
    assert code == 2 and [Path(line).name for line in out.split()] == ["b_mask.nii.gz", "predictions.csv"]
    assert (
        "1 of 19 images could not be read, the others are done" in err
        and err.count("a.nii.gz: cannot be read as NIfTI") == 1
    )


def test_a_dry_run_says_what_a_volume_holds(tmp_path, capsys):
    scans(tmp_path / "ct", count=2)
    code, out, _ = call(capsys, "fit", "ct", *TINY, "--dry-run")
    assert code == 0 and "# 2 volumes read as 12 axial slices\n" in out and "\naxis: axial\n" in out
    assert "# no patient is named, so the pictures of one file are a group" in out


def test_labels_of_volumes(tmp_path, capsys):
    for number in range(8):
        values, mask = organ(number)
        label = "ball" if number % 2 else "none"
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(values - np.int16(260) * (mask if label == "none" else 0), np.eye(4))
        image.to_filename(tmp_path / "set" / label / f"{number}.nii.gz")
    code, _, err = call(capsys, "fit", "set", *LABELS, "--strategy", "scratch", "--out", "run")
    assert code == 0, err
    run = Run(tmp_path / "run")
    assert (run.predictions.groupby("group")["split"].nunique() == 1).all()
    code, _, _ = call(capsys, "predict", "run", "set/ball/1.nii.gz", "--out", "labels")
    table = pd.read_csv("labels/predictions.csv")
    assert code == 0 and table["image"].tolist() == [f"set/ball/1.nii.gz#axial-{number}" for number in range(6)]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "not there any more" not in page and "cannot be shown" not in page


def test_pages_of_a_stack(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(5):
        masks = np.zeros((4, 24, 24), np.uint8)
        masks[:, 4 + number : 14 + number, 5:15] = 255
        images = (rng.integers(0, 900, masks.shape) + 3000 * (masks > 0)).astype(np.uint16)
        for kind, pages in (("images", images), ("masks", masks)):
            (tmp_path / "cells" / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "cells" / kind / f"s{number}.tif", pages, photometric="minisblack")
    code, _, err = call(capsys, "fit", "cells", *TINY, "--out", "run")
    assert code == 0, err
    rows = Run(tmp_path / "run").predictions
    assert (rows.groupby("group")["split"].nunique() == 1).all() and rows["id"].str.match(r"s\d-[1-4]$").all()


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda root: _rewrite(root, lambda v: np.where(v > 200, np.nan, v).astype(np.float32)), "are NaN or infinite"),
    (lambda root: _rewrite(root, lambda v: np.stack([v, v], axis=-1)), "no volume of 3 dimensions"),
    (lambda root: _rewrite(root, lambda v: v[:-1]), "voxels"),
], ids=["nan", "four dimensions", "another size"])  # fmt: skip
def test_bad_volumes_are_one_sentence(tmp_path, capsys, spoil, says):
    spoil(scans(tmp_path / "ct", count=3))
    code, _, err = call(capsys, "fit", "ct", *TINY)
    assert code == 2 and err.startswith("error: ") and err.count("error:") == 1 and len(err.splitlines()) == 1
    assert "case1.nii.gz" in err and says in err and "Traceback" not in err
    assert not (tmp_path / "runs").exists() and not list((tmp_path / "cache").glob("stores/*"))


def _rewrite(root: Path, change) -> None:
    file = root / "images" / "case1.nii.gz"
    image = nib.load(file)
    nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine).to_filename(file)
