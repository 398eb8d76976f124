"""Data that a training refuses, opened so that it can be looked at: what is left, and what was said of the rest."""

import cv2
import numpy as np
import pytest

from medgraft.data import open_data
from medgraft.data.problems import collecting
from medgraft.errors import DataError


def save(path, value=100, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), value, np.uint8)
    pixels[0, 0] = 0
    assert cv2.imwrite(str(path), pixels)
    return path


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def opened(path, **options):
    """The manifest, and what was refused: kinds with the names of their places."""
    with collecting() as problems:
        manifest = open_data(path, **options)
    return manifest, {problem.kind: [place.rpartition("/")[2] for place in problem.places] for problem in problems}


@pytest.fixture
def labelled(tmp_path):
    for name in "abcdef":
        save(tmp_path / f"{name}.png", 10 * ord(name) % 250)
    return tmp_path


ROWS = ["file,label,patient,split", "a.png,x,p1,train", "b.png,y,p2,train", "c.png,x,p3,test", "d.png,y,p4,test"]


@pytest.mark.parametrize(
    ("extra", "refused", "left"),
    [
        ("gone.png,x,p5,train", {"missing images": ["gone.png"]}, 4),
        (",x,p5,train", {"no image file": ["labels.csv:6"]}, 4),
        ("e.png,,p5,train", {"no label": ["labels.csv:6"]}, 4),
        ("e.png,NaN,p5,train", {"no label": ["labels.csv:6"]}, 4),
        ("a.png,x,p1,train", {"listed twice": ["labels.csv:6"]}, 4),
        ("a.png,y,p1,train", {"two labels": ["a.png"]}, 4),
        ("e.png,x,p1,test", {"torn groups": ["p1"]}, 5),
        ("e.png,x,p5,", {"unknown splits": ["e.png"]}, 5),
    ],
)
def test_rows_that_a_training_refuses(labelled, extra, refused, left):
    path = table(labelled / "labels.csv", *ROWS, extra)
    with pytest.raises(DataError):
        open_data(path)
    manifest, found = opened(path)
    assert refused.items() <= found.items()
    assert len(manifest) == left and manifest.classes.names == ("x", "y")


def test_nothing_is_collected_of_data_in_order(labelled):
    path = table(labelled / "labels.csv", *ROWS)
    manifest, found = opened(path)
    assert found == {} and manifest.table.equals(open_data(path).table)


def test_collecting_ends(labelled):
    path = table(labelled / "labels.csv", *ROWS, "gone.png,x,p5,train")
    with pytest.raises(ZeroDivisionError), collecting():
        _ = 1 / 0
    with pytest.raises(DataError, match="1 images do not exist"):
        open_data(path)


def test_all_images_missing_is_an_error_all_the_same(tmp_path):
    path = table(tmp_path / "labels.csv", "file,label", "a.png,x", "b.png,y")
    with pytest.raises(DataError, match="2 images do not exist"), collecting():
        open_data(path)


def test_one_class_in_a_table_and_as_a_folder(labelled):
    path = table(labelled / "labels.csv", "file,label", "a.png,x", "b.png,x")
    manifest, found = opened(path)
    assert found == {"one class": ["x"]} and manifest.classes.names == ("x",) and len(manifest) == 2
    folder = labelled / "set"
    save(folder / "only" / "a.png"), save(folder / "only" / "b.png")
    with pytest.raises(DataError, match="one class is none to tell apart"):
        open_data(folder)
    manifest, found = opened(folder)
    assert "one class" in found and list(manifest.table["target"]) == ["only", "only"]


def test_one_image(labelled):
    manifest, found = opened(table(labelled / "labels.csv", "file,label", "a.png,x"))
    assert found["one image"] == ["a.png"] and len(manifest) == 1


def test_images_and_masks_that_do_not_match(tmp_path):
    for name in "abc":
        save(tmp_path / "images" / f"{name}.png")
    for name in "abd":
        save(tmp_path / "masks" / f"{name}.png")
    manifest, found = opened(tmp_path)
    assert found == {"no mask": ["c.png"], "masks without image": ["d.png"]}
    assert list(manifest.table["id"]) == ["a", "b"]


def test_names_that_differ_in_their_ending(tmp_path):
    save(tmp_path / "images" / "a.png"), save(tmp_path / "images" / "a.bmp"), save(tmp_path / "images" / "b.png")
    save(tmp_path / "masks" / "a.png"), save(tmp_path / "masks" / "b.png")
    manifest, found = opened(tmp_path)
    assert found == {"doubled names": ["a.png"]} and len(manifest) == 2


def test_a_class_folder_without_readable_images(tmp_path):
    save(tmp_path / "x" / "a.png"), save(tmp_path / "y" / "b.png")
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "c.png").write_text("no picture")
    manifest, found = opened(tmp_path)
    assert found == {"unreadable class": ["z"]}
    assert list(manifest.table["target"]) == ["x", "y", "z"]


def test_a_table_that_contradicts_its_folders(tmp_path):
    for split in ("train", "test"):
        for name in "xy":
            save(tmp_path / split / name / f"{split}_{name}.png")
    table(tmp_path / "labels.csv", "file,label,split", "train_x.png,y,train", "train_y.png,y,test")
    manifest, found = opened(tmp_path)
    assert found["contradicted labels"] == ["train_x.png"]
    assert "train_y.png" in found["contradicted splits"]
    assert dict(zip(manifest.table["id"], manifest.table["split"], strict=True))["train_y"] == "train"
