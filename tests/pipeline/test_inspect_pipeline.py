"""inspect as a function: options, files beside the data, data that cannot be looked at, and nothing half-written."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from medgraft.audit.audit import Audit
from medgraft.data import open_data
from medgraft.errors import DataError, RecipeError
from medgraft.pipeline import prepare
from medgraft.pipeline.inspect import inspect, strays
from medgraft.pipeline.prepare import open_for
from medgraft.progress import Observer
from medgraft.recipe import Recipe


class Listener(Observer):
    def __init__(self):
        self.heard = []

    def working(self, what, done, total):
        self.heard.append((what, done, total))


def save(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (40, 40, 3)).astype(np.uint8))


def test_progress_and_files(blobs, tmp_path):
    listener = Listener()
    found = inspect(blobs, out=tmp_path / "out", observer=listener, workers=2)
    looked = [item for item in listener.heard if item[0] == "looking at images"]
    assert looked[-1] == ("looking at images", 36, 36)
    assert found.page.is_file() and Audit.load(tmp_path / "out" / "audit.json").to_dict() == found.audit.to_dict()
    plain = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert set(plain) == {"format", "medgraft", "kind", "counts", "summary", "findings", "passed", "notes"}
    assert plain["summary"]["classes"] == {"cross": 12, "disc": 12, "square": 12}
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_options_of_a_recipe(ellipses, tmp_path):
    found = inspect(ellipses, out=tmp_path / "out", observer=Observer(), mask_values={"0": "background", "255": "cell"})
    assert found.audit.counts["error"] == 0
    with pytest.raises(RecipeError, match="no option 'grup'"):
        inspect(ellipses, out=tmp_path / "other", observer=Observer(), grup="patient")
    assert not (tmp_path / "other").exists()


def test_values_that_an_option_does_not_explain(ellipses, tmp_path):
    found = inspect(ellipses, out=tmp_path / "out", observer=Observer(), mask_values={"0": "background", "1": "cell"})
    assert [f.kind for f in found.audit.findings if f.severity == "error"] == ["mask-values"]


def test_strays_of_a_folder_and_of_a_table(tmp_path):
    for place in ("a/1", "a/2", "b/3", "b/4", "more/5", "more/deep/6", ".hidden/7"):
        save(tmp_path / f"{place}.png")
    (tmp_path / "labels.csv").write_text("file,label\na/1.png,x\nb/3.png,y\n")
    manifest = open_data(tmp_path / "labels.csv")
    assert strays(manifest, ()) == {"a/": 1, "b/": 1}
    for place in ("a/1", "a/2", "b/3"):
        save(tmp_path / "set" / f"{place}.png")
    save(tmp_path / "set" / "loose.png")
    assert strays(open_data(tmp_path / "set"), ()) == {"./": 1}


def test_a_folder_whose_every_image_is_cut_short(tmp_path):
    for name in ("x/1", "x/2", "y/3", "y/4"):
        save(tmp_path / "set" / f"{name}.png")
        (tmp_path / "set" / f"{name}.png").write_bytes(b"\x89PNG")
    found = inspect(tmp_path / "set", out=tmp_path / "out", observer=Observer())
    kinds = [finding.kind for finding in found.audit.findings]
    assert kinds[:2] == ["unreadable-files", "class-without-image"] and found.page.is_file()


def test_what_cannot_be_looked_at_leaves_nothing(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")
    with pytest.raises(DataError, match="2 images do not exist"):
        inspect(tmp_path / "labels.csv", out=tmp_path / "out", observer=Observer())
    assert not (tmp_path / "out").exists()


def test_a_manifest_takes_an_exclusion(blobs, tmp_path):
    (tmp_path / "out.txt").write_text("disc/disc_00.png\n")
    manifest = open_for(open_data(blobs), Recipe(exclude=tmp_path / "out.txt"))
    assert len(manifest) == 35 and manifest.notes[-1] == "out.txt: 1 image left out"


def test_a_training_says_what_leaks(tmp_path):
    lines = ["file,label,split"]
    for number in range(24):
        save(tmp_path / f"{number:02d}.png", seed=number)
        lines.append(f"{number:02d}.png,{'xy'[number % 2]},{'test' if number > 17 else 'train'}")
    save(tmp_path / "again.png", seed=1)
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "again.png,y,test"]) + "\n")
    recipe = Recipe().for_task("classification", grey=False)
    prepared = prepare(open_data(tmp_path / "labels.csv"), recipe, Observer())
    assert prepared.describe()["notes"][-1].startswith("warning: 1 pair of equal images in two splits: 01 (train)")
