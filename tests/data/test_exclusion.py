"""The list of images to exclude: how entries are written and read, and what they take out before it is refused."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data import open_data
from medgraft.data.exclusion import Exclusion, apply_exclusion, write_exclusion
from medgraft.errors import DataError


def save(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))
    return path


@pytest.fixture
def labelled(tmp_path):
    rows = ["file,label"]
    for number, name in enumerate("abcdef"):
        save(tmp_path / "scans" / f"{name}.png", 20 * number)
        rows.append(f"scans/{name}.png,{'xy'[number % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def ids(manifest):
    return "".join(manifest.table["id"])


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ("scans/b.png", "acdef"),
        ("./scans/../scans/b.png  # a reason", "acdef"),
        ('"scans/b.png"', "acdef"),
        ("b", "acdef"),
        ("labels.csv:3", "acdef"),
        ("scans/b.png\nscans/c.png\n\n# scans/d.png\n", "adef"),
    ],
)
def test_entries(labelled, entry, left):
    (labelled / "out.txt").write_text(entry)
    manifest = open_data(labelled / "labels.csv", exclude=labelled / "out.txt")
    assert ids(manifest) == left
    assert manifest.notes[-1] == f"out.txt: {'1 image' if len(left) == 5 else '2 images'} left out"


def test_absolute_entries_and_entries_for_nothing(labelled):
    (labelled / "out.txt").write_text(f"{labelled}/scans/a.png\nscans/z.png\nx\n")
    manifest = open_data(labelled / "labels.csv", exclude=labelled / "out.txt")
    assert ids(manifest) == "bcdef"
    # x is a label here, not an image: a label on the list takes nothing out
    assert manifest.notes[-1] == "out.txt: 1 image left out; nothing here is called scans/z.png, x"


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        ("scans/gone.png,x", "scans/gone.png"),
        (",x", "labels.csv:8"),
        ("scans/a.png,", "scans/a.png"),
        ("scans/a.png,y", "scans/a.png"),
        ("scans/a.png,x", "labels.csv:8"),
        ("scans/f.png,z", "labels.csv:8"),
    ],
)
def test_what_is_excluded_is_refused_no_more(labelled, row, entry):
    with (labelled / "labels.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(DataError):
        open_data(labelled / "labels.csv")
    (labelled / "out.txt").write_text(entry)
    manifest = open_data(labelled / "labels.csv", exclude=labelled / "out.txt")
    assert len(manifest) >= 5 and manifest.classes.names == ("x", "y")


def test_masks_and_images_without_the_other(tmp_path):
    for name in "abc":
        save(tmp_path / "images" / f"{name}.png")
    for name in "abd":
        save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "out.txt").write_text("images/c.png\nmasks/d.png\n")
    assert ids(open_data(tmp_path, exclude=tmp_path / "out.txt")) == "ab"
    (tmp_path / "out.txt").write_text("images/c.png\nmasks/d.png\nmasks/a.png\n")
    save(tmp_path / "images" / "e.png"), save(tmp_path / "masks" / "e.png")
    assert ids(open_data(tmp_path, exclude=tmp_path / "out.txt")) == "be"


def test_a_class_that_is_left_out_whole(tmp_path):
    for name in "xyz":
        save(tmp_path / name / f"{name}1.png"), save(tmp_path / name / f"{name}2.png")
    (tmp_path / "out.txt").write_text("z/z1.png\nz/z2.png\n")
    assert open_data(tmp_path, exclude=tmp_path / "out.txt").classes.names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such list"),
        ("# nothing\n", "names none"),
        ('"half\n', "line 1 begins with a quote"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_lists_that_are_refused(labelled, text, says):
    if text is not None:
        (labelled / "out.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=says):
        open_data(labelled / "labels.csv", exclude=labelled / "out.txt")


def test_everything_left_out_is_an_error(labelled):
    (labelled / "out.txt").write_text("\n".join("abcdef"))
    with pytest.raises(DataError, match="no image is left"):
        open_data(labelled / "labels.csv", exclude=labelled / "out.txt")


def test_a_manifest_that_is_open_already(labelled):
    (labelled / "out.txt").write_text("a\nscans/c.png\n")
    manifest = apply_exclusion(open_data(labelled / "labels.csv"), labelled / "out.txt")
    assert ids(manifest) == "bdef" and manifest.notes[-1] == "out.txt: 2 images left out"


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.text(max_size=8)), min_size=1, max_size=5))
def test_any_name_survives_writing_and_reading(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("list")
    write_exclusion(folder / "out.txt", pairs, "a heading")
    read = Exclusion.read(folder / "out.txt", folder)
    assert all(read.leaves_out(name) for name, _ in pairs)
    assert not read.leaves_out("\0 a name that no file has")
