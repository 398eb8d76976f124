"""``medgraft inspect``: the summary, the files, exit codes, the fix list, and what it refuses."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from command_line import TINY, refused, snapshot


@pytest.fixture
def cells(workplace, blobs):
    """A copy of 36 images in three class folders, to spoil."""
    return shutil.copytree(blobs, workplace / "cells")


def test_a_set_in_order(medgraft, cells):
    said = medgraft("inspect", "cells")
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    assert lines[0] == "36 images · 3 classes (cross 12, disc 12, square 12) · 8-bit colour, 48 x 48"
    assert not any(line.startswith("✗") for line in lines) and lines[-1] == "Report: inspect/index.html"
    assert any("✓ every file is there and can be read" in line for line in lines)
    assert sorted(file.name for file in (cells.parent / "inspect").iterdir()) == ["audit.json", "index.html"]
    assert json.loads((cells.parent / "inspect/audit.json").read_text())["counts"]["error"] == 0


def test_errors_come_first_and_strict_exits_with_3(medgraft, cells):
    (cells / "disc" / "disc_03.png").write_bytes(b"")
    shutil.copy(cells / "disc" / "disc_00.png", cells / "cross" / "same.png")
    before = snapshot(cells)
    said = medgraft("inspect", "cells", "--strict")
    assert said.code == 3 and said.err == ""
    marks = [line[0] for line in said.out.splitlines() if line[0] in "✗!·✓"]
    assert marks == sorted(marks, key="✗!·✓".index) and marks.count("✗") == 2
    assert "✗ 1 file is empty (0 bytes) or gone" in said.out and "inspect/index.html#files" in said.out
    assert "✗ 2 images are the same as another that has another label" in said.out
    assert "#duplicates" in said.out
    assert snapshot(cells) == before, "the data is left alone"
    assert medgraft("inspect", "cells").code == 0


def test_json_is_the_file(medgraft, cells):
    said = medgraft("inspect", "cells", "--json", "--out", "there", "--workers", "2")
    assert said.code == 0 and said.out == (cells.parent / "there/audit.json").read_text()
    assert json.loads(said.out)["kind"] == "inspection"


def test_the_way_from_errors_to_a_training(medgraft, lesions):
    (lesions / "images" / "case_03.png").write_bytes(b"\x89PNG")
    (lesions / "masks" / "case_05_mask.png").unlink()
    shutil.copy(lesions / "images" / "case_00.png", lesions / "images" / "copy.png")
    shutil.copy(lesions / "masks" / "case_00_mask.png", lesions / "masks" / "copy.png")
    assert medgraft("fit", "lesions", *TINY, "--out", "run").code == 2
    said = medgraft("inspect", "lesions", "--fix-list", "out.txt")
    assert "Fix list: out.txt   3 to leave out; medgraft fit ... --exclude out.txt" in said.out
    assert (lesions.parent / "out.txt").read_text().splitlines()[1:] == [
        "images/case_03.png  # unreadable-files",
        "images/case_05.png  # images-without-mask",
        "images/copy.png     # exact-duplicates",
    ]
    said = medgraft("fit", "lesions", *TINY, "--out", "run", "--exclude", "out.txt")
    assert said.code == 0 and "18 images with masks" in said.out and "out.txt: 3 images left out" in said.out
    notes = json.loads((lesions.parent / "run/environment.json").read_text())["data"]["notes"]
    assert "out.txt: 3 images left out" in notes
    assert "exclude: out.txt" in (lesions.parent / "run/recipe.yaml").read_text()
    again = medgraft("inspect", "lesions", "--exclude", "out.txt", "--strict")
    assert again.code == 0 and again.out.startswith("18 images")


def test_an_entry_that_matches_nothing_is_said(medgraft, lesions):
    (lesions.parent / "out.txt").write_text("images/case_00.png\nimages/nothing.png\n")
    said = medgraft("fit", "lesions", *TINY, "--out", "run", "--exclude", "out.txt")
    assert said.code == 0 and "out.txt: 1 image left out; nothing here is called images/nothing.png" in said.out


def test_an_earlier_inspection_is_replaced(medgraft, cells):
    assert medgraft("inspect", "cells").code == 0
    before = (cells.parent / "inspect/index.html").read_bytes()
    (cells / "disc" / "disc_03.png").write_bytes(b"")
    assert medgraft("inspect", "cells", "--fix-list", "out.txt").code == 0
    assert (cells.parent / "inspect/index.html").read_bytes() != before
    assert medgraft("inspect", "cells", "--fix-list", "out.txt").code == 0


def test_files_of_others_are_left_alone(medgraft, cells):
    (cells.parent / "site").mkdir()
    (cells.parent / "site/index.html").write_text("my page")
    (cells.parent / "mine.txt").write_text("my list")
    refused(medgraft("inspect", "cells", "--out", "site"), "site holds files that no inspection wrote")
    refused(medgraft("inspect", "cells", "--fix-list", "mine.txt"), "mine.txt exists and is no list")
    refused(medgraft("inspect", "cells", "--out", "mine.txt"), "mine.txt is a file")
    assert (cells.parent / "site/index.html").read_text() == "my page"
    assert (cells.parent / "mine.txt").read_text() == "my list"
    assert not (cells.parent / "inspect").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere",), "nowhere: no such folder or file"),
        (("cells", "--group", "patient"), "no CSV beside the folders"),
        (("cells", "--exclude", "none.txt"), "none.txt: no such list"),
        (("cells", "--lr", "1"), "no option --lr"),
        (("cells", "--workers", "-1"), "-1 threads decode nothing"),
        (("empty",), "the folder is empty"),
    ],
)
def test_what_is_refused(medgraft, cells, words, says):
    (cells.parent / "empty").mkdir()
    refused(medgraft("inspect", *words), says)
    assert not (cells.parent / "inspect").exists()


def test_names_with_everything_in_them(medgraft, workplace):
    rng = np.random.default_rng(3)
    names = ["a b.png", "é ü.png", "🩻.png", "new\nline.png", "#hash.png", '"quoted".png', "x  # y.png", "-dash.png"]
    for label in ("one", "two"):
        (workplace / "odd" / label).mkdir(parents=True)
        for name in names:
            pixels = rng.integers(0, 255, (40, 40)).astype(np.uint8)
            (workplace / "odd" / label / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    for name in names:
        (workplace / "odd" / "two" / name).write_bytes(b"cut")
    (workplace / "odd" / "two" / "good.png").write_bytes((workplace / "odd/one/a b.png").read_bytes()[::1])
    said = medgraft("inspect", "odd", "--fix-list", "out.txt")
    assert said.code == 0 and "✗ 8 files are damaged" in said.out
    left = medgraft("inspect", "odd", "--exclude", "out.txt")
    assert left.code == 0 and "damaged" not in left.out and "nothing here is called" not in left.out


def test_a_folder_that_cannot_be_made(medgraft, cells):
    (cells.parent / "locked").write_text("a file where a folder should be")
    refused(medgraft("inspect", "cells", "--out", "locked/inspect"), "locked")
