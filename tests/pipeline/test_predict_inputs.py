"""What is predicted, in which order, and what it is called."""

import cv2
import numpy as np
import pytest
from PIL import Image

from medgraft.errors import DataError
from medgraft.pipeline.predicting.inputs import pictures_of


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Images in folders, two of one name, two of one stem, with files that are none among them."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.png", "b/x.png", "b/x.jpg", "b/deep/y.png", "c/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(name, np.zeros((4, 4), np.uint8))
    (tmp_path / "b/notes.txt").write_text("no image")
    (tmp_path / "b/.hidden.png").write_bytes((tmp_path / "a/x.png").read_bytes())
    return tmp_path


def named(tree, *given, out="out"):
    return [(picture.address, picture.name) for picture in pictures_of(given, "axial", tree / out)]


@pytest.mark.parametrize(("given", "expected"), [
    (["a/x.png"], [("a/x.png", "x")]),
    (["a"], [("a/x.png", "x")]),
    # The images of a folder, and those below it only where it has none.
    (["b"], [("b/x.jpg", "x.jpg"), ("b/x.png", "x.png")]),
    (["."], [("a/x.png", "a/x"), ("b/deep/y.png", "b/deep/y"), ("b/x.jpg", "b/x.jpg"), ("b/x.png", "b/x.png"),
             ("c/x.png", "c/x")]),
    (["*/x.png"], [("a/x.png", "a/x"), ("b/x.png", "b/x"), ("c/x.png", "c/x")]),
    (["b/**/*.png"], [("b/deep/y.png", "deep/y"), ("b/x.png", "x")]),
    (["b/*"], [("b/deep/y.png", "deep/y"), ("b/x.jpg", "x.jpg"), ("b/x.png", "x.png")]),
    # Two of one name from two places are told apart by the folders that they lie in.
    (["a/x.png", "c/x.png"], [("a/x.png", "a/x.png"), ("c/x.png", "c/x.png")]),
    (["c", "a"], [("c/x.png", "c/x.png"), ("a/x.png", "a/x.png")]),
    # The order is that of the words; what is named twice is one picture.
    (["c/x.png", "b/deep", "c"], [("c/x.png", "x"), ("b/deep/y.png", "y")]),
])  # fmt: skip
def test_pictures_and_their_names(tree, given, expected):
    assert named(tree, *given) == expected


def test_what_was_written_before_is_no_input(tree):
    (tree / "out").mkdir()
    cv2.imwrite("out/x_mask.png", np.zeros((4, 4), np.uint8))
    assert all(not address.startswith("out") for address, _ in named(tree, ".", "**/*.png"))
    with pytest.raises(DataError, match=r"out: no image in this folder"):
        named(tree, "out")


def test_a_file_with_a_pattern_in_its_name_is_a_file(tree):
    cv2.imwrite("a/scan[1].png", np.zeros((4, 4), np.uint8))
    assert named(tree, "a/scan[1].png") == [("a/scan[1].png", "scan[1]")]


@pytest.mark.parametrize(("word", "says"), [
    ("absent.png", "absent.png: no such file"),
    ("a/*.tif", "no image matches"),
    ("b/*.txt", "no image matches"),
])  # fmt: skip
def test_what_is_not_there(tree, word, says):
    with pytest.raises(DataError, match=says):
        named(tree, word)


def test_pictures_of_one_file_share_the_name_of_the_file(tree):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite("a/stack.tif", np.zeros((3, 5, 5), np.uint8), photometric="minisblack")
    found = pictures_of(["a/stack.tif"], "axial", tree / "out")
    assert [(picture.address, picture.name, picture.file_name) for picture in found] == [
        (f"a/stack.tif#{n}", f"stack-{n}", "stack") for n in (1, 2, 3)
    ]


def test_a_page_and_a_file_that_is_called_like_it_are_told_apart(tmp_path):
    pages = [Image.fromarray(np.full((4, 4), shade, np.uint8)) for shade in (1, 2)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    for name in ("stack-2.png", "other.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4), np.uint8))
    names = [picture.name for picture in pictures_of([tmp_path], "axial", tmp_path / "out")]
    assert names == ["other", "stack-2.png", "stack.tif-1", "stack.tif-2"]
