"""Files of odd names, and folders that are read-only, from the command line to the report."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from medgraft import Run
from medgraft.cli.main import main

TINY = (
    *("--model", "unet", "--strategy", "scratch", "--widths", "4,8", "--size", "32", "--epochs", "1"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100", "--channels", "1"),
)
LABELS = (
    *("--strategy", "scratch", "--encoder", "cbr_tiny", "--size", "32", "--epochs", "1", "--precision", "fp32"),
    *("--memory-format", "contiguous", "--bootstrap", "100", "--engine", "torch"),
)


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))


def call(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


ODD = ["two words", "Zoë à l'école", "😀🩻", "new\nline", "-dash", "hash#1", "<img src=x onerror=alert(1)>",
       "a;b,c\"d'e", "{{ 7*7 }}", "100%", "=1+1", "tab\there", "…"]  # fmt: skip


def odd_shapes(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for place, name in enumerate(ODD):
        mask = np.zeros((24, 30), np.uint8)
        mask[4 + place // 3 : 14, 5 : 20 - place // 2] = 255
        image = (rng.integers(50, 90, mask.shape) + (mask > 0) * 100).astype(np.uint8)
        for kind, pixels in (("images", image), ("masks", mask)):
            (root / kind / f"{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root


def test_names_of_every_kind_from_data_to_report(tmp_path, capsys):
    odd_shapes(tmp_path / "my <data>\n#1 é")
    given = "my <data>\n#1 é"
    code, out, _ = call(capsys, "fit", given, *TINY, "--dry-run")
    assert code == 0 and yaml.safe_load(out)["size"] == 32, (
        "what a dry run prints is a recipe, whatever the data is called"
    )
    ratios = ("--ratios", "0.4,0.2,0.4")
    code, out, err = call(capsys, "fit", given, *TINY, *ratios, "--out", "run é 😀")
    assert code == 0, err
    run = Run(tmp_path / "run é 😀")
    rows = run.predictions
    assert set(rows["id"]) <= set(ODD) and len(rows) > 4
    for name in rows[rows["split"] == "test"]["id"]:
        assert (run.folder / "predictions" / f"{name}.png").is_file()
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page and "my <data>" not in page and "not there any more" not in page
    assert json.loads((run.folder / "scores.json").read_text())["test"]["dice"]["n"] == (rows["split"] == "test").sum()
    images = sorted(str(path) for path in (tmp_path / given / "images").iterdir())
    code, out, err = call(capsys, "predict", run.folder, *images, "--out", "masks")
    assert code == 0 and len(list(Path("masks").glob("*_mask.png"))) == len(ODD), err
    code, _, err = call(
        capsys, "fit", given, *TINY, *ratios, "--split-file", run.folder / "split.csv", "--out", "again"
    )
    assert code == 0, err
    again = Run(tmp_path / "again").predictions
    assert again[["id", "split"]].to_numpy().tolist() == rows[["id", "split"]].to_numpy().tolist()


def test_names_of_classes_and_files_with_labels(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for label in ("<b>bold", "ünïcode 😀"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for place, name in enumerate(ODD):
            pixels = (rng.integers(0, 90, (24, 24)) + 90 * (label[0] == "<")).astype(np.uint8)
            file = tmp_path / "set" / label / f"{name} {label[0] == '<'} {place}.png"
            file.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    code, _, err = call(capsys, "fit", "set", *LABELS, "--out", "run")
    assert code == 0, err
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<b>bold" not in page and "&lt;b&gt;bold" in page and "<img src=x" not in page
    assert set(Run(tmp_path / "run").predictions["target"]) == {"<b>bold", "ünïcode 😀"}


def test_a_read_only_folder_for_runs_is_said(tmp_path, capsys, monkeypatch):
    """Permissions do not hold root back, so the refusal of the disk is made here."""
    odd_shapes(tmp_path / "data")
    own = Path.mkdir

    def refuse(self, *arguments, **options):
        if "runs" in self.parts:
            raise PermissionError(13, "Permission denied", str(self))
        return own(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, _, err = call(capsys, "fit", "data", *TINY)
    assert code == 2 and len(err.strip().splitlines()) == 1 and "runs" in err and "Permission denied" in err


def test_a_read_only_folder_of_data_is_enough(tmp_path, capsys):
    root = odd_shapes(tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    code, _, err = call(capsys, "fit", "data", *TINY, "--out", "run")
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before, "nothing is written into it"
