"""Files as they come: bombs, loops of links, folders that may not be opened, odd names, tables from spreadsheets."""

from __future__ import annotations

import os
import resource
import struct
import unicodedata
import zlib
from pathlib import Path

import pytest
from PIL import Image

from medgraft.data import PixelStore, open_data, store_build
from medgraft.data.formats import image_size, read_image, read_mask
from medgraft.data.layouts.matching import list_images
from medgraft.errors import DataError

ODD_NAMES = [
    "with space", " leading", "trailing ", "accént à l'œil", "日本語", "😀🩻", "new\nline", "tab\there", "-dash",
    "--out", "hash#1", "per%20cent", "quote\"'", "a;b,c", "$HOME", "*?[x]", "back\\slash", "<b>bold", "{{ x }}", "=1+1",
    "dot.in.name", "…", "x" * 200,
]  # fmt: skip


def png(path: Path, level: int = 7, corner: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", (8, 8), level)
    if corner is not None:
        picture.putpixel((7, 7), corner)
    picture.save(path, "PNG")
    return path


def pairs(root: Path, names: list[str]) -> Path:
    for place, name in enumerate(names):
        png(root / "images" / f"{name}.png", 10 + place)
        png(root / "masks" / f"{name}.png", 255, corner=0)
    return root


# -- bombs -------------------------------------------------------------------------------------------------------------


def claiming_png(path: Path, width: int, height: int, depth: int = 8, colour: int = 2) -> Path:
    """A PNG of a few bytes whose header claims a picture of gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("look", [read_image, read_mask, image_size])
@pytest.mark.parametrize(
    ("width", "height", "depth"), [(27000, 27000, 8), (19000, 19000, 16), (2**31 - 1, 2**31 - 1, 8)]
)
def test_a_bomb_is_refused_before_any_memory_is_taken(
    tmp_path: Path, look: object, width: int, height: int, depth: int
) -> None:
    bomb = claiming_png(tmp_path / "bomb.png", width, height, depth)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"bomb\.png: its header claims more than 178,956,970 pixels"):
        look(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_bomb_among_images_is_named(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b"])
    claiming_png(tmp_path / "images" / "b.png", 27000, 27000)
    with pytest.raises(DataError, match=r"/images/b\.png: its header claims"):
        PixelStore.open(open_data(tmp_path), 32, cache=tmp_path / "cache")


# -- links -------------------------------------------------------------------------------------------------------------


def test_loops_of_links_have_an_end(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "deep/b"])
    (tmp_path / "images" / "deep" / "up").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "self").symlink_to(tmp_path / "images" / "self")
    (tmp_path / "images" / "there").symlink_to(tmp_path / "images" / "back")
    (tmp_path / "images" / "back").symlink_to(tmp_path / "images" / "there")
    (tmp_path / "masks" / "root").symlink_to(tmp_path)
    data = open_data(tmp_path)
    assert data.table["id"].tolist() == ["a", "b"]


def test_linked_folders_are_looked_into_once(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        png(tmp_path / "elsewhere" / kind / "far.png", 255)
        png(tmp_path / "data" / kind / "near.png", 255)
        for link in ("first", "second"):
            (tmp_path / "data" / kind / link).symlink_to(tmp_path / "elsewhere" / kind)
    data = open_data(tmp_path / "data")
    assert data.table["id"].tolist() == ["far", "near"]
    assert data.table["image"].tolist()[0] == str(tmp_path / "data" / "images" / "first" / "far.png")


def test_a_folder_comes_before_a_link_to_it(tmp_path: Path) -> None:
    png(tmp_path / "images" / "z" / "a.png")
    (tmp_path / "images" / "a-link").symlink_to(tmp_path / "images" / "z")
    assert list_images(tmp_path / "images") == [tmp_path / "images" / "z" / "a.png"]


def test_linked_files_are_files(tmp_path: Path) -> None:
    pairs(tmp_path / "store", ["a", "b"])
    (tmp_path / "data").mkdir()
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir()
        for name in ("a.png", "b.png"):
            (tmp_path / "data" / kind / name).symlink_to(tmp_path / "store" / kind / name)
    assert len(open_data(tmp_path / "data")) == 2


def test_links_to_nothing_are_not_passed_over(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b"])
    (tmp_path / "images" / "c.png").symlink_to(tmp_path / "not-fetched")
    with pytest.raises(DataError, match=r"1 images are links to files that are not there: .*/images/c\.png; fetch"):
        open_data(tmp_path)


def test_class_folders_with_loops(tmp_path: Path) -> None:
    for label in ("x", "y"):
        png(tmp_path / label / f"{label}.png")
        (tmp_path / label / "loop").symlink_to(tmp_path)
    assert open_data(tmp_path).table[["id", "target"]].to_numpy().tolist() == [["x", "x"], ["y", "y"]]


# -- folders that may not be opened, and files that go away ----------------------------------------------------------


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch):
    """Make a folder refuse to be listed, for root too, who may open everything."""
    refused: set[str] = set()
    scandir, listdir = os.scandir, os.listdir

    def check(path: object) -> None:
        if os.fspath(path) in refused:
            raise PermissionError(13, "Permission denied", os.fspath(path))

    def guarded_scandir(path: object = "."):
        check(path)
        return scandir(path)

    def guarded_listdir(path: object = "."):
        check(path)
        return listdir(path)

    monkeypatch.setattr(os, "scandir", guarded_scandir)
    monkeypatch.setattr(os, "listdir", guarded_listdir)
    return lambda path: refused.add(os.fspath(path))


@pytest.mark.parametrize("place", ["", "images", "images/deep", "masks"])
def test_a_folder_that_may_not_be_opened_is_named(tmp_path: Path, locked, place: str) -> None:
    pairs(tmp_path, ["a", "b", "deep/c"])
    locked(tmp_path / place)
    with pytest.raises(DataError, match=r"cannot be opened \(Permission denied\)") as error:
        open_data(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / place}: ") and "\n" not in str(error.value)


def test_a_class_folder_that_may_not_be_opened_is_named(tmp_path: Path, locked) -> None:
    for label in ("x", "y"):
        png(tmp_path / label / "1.png")
    locked(tmp_path / "y")
    with pytest.raises(DataError, match=r"/y: this folder cannot be opened \(Permission denied\)"):
        open_data(tmp_path)


def test_a_file_that_may_not_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(pairs(tmp_path, ["a", "b"]))
    own = Path.open

    def guarded(self: Path, *arguments: object, **options: object):
        if self.name == "b.png" and self.parent.name == "images":
            raise PermissionError(13, "Permission denied", str(self))
        return own(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    with pytest.raises(DataError, match=r"/images/b\.png: cannot be opened \(Permission denied\)"):
        PixelStore.open(data, 32, cache=tmp_path / "cache")


def test_a_file_that_vanishes_before_it_is_decoded(tmp_path: Path) -> None:
    data = open_data(pairs(tmp_path, ["a", "b", "c"]))
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(DataError, match=r"/images/b\.png: cannot be read any more"):
        PixelStore.open(data, 32, cache=tmp_path / "cache")


def test_a_file_that_vanishes_while_others_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(pairs(tmp_path, ["a", "b", "c"]))

    own = store_build.read_image

    def lose(address: str, *arguments: object, **options: object):
        if address.endswith("c.png"):
            Path(address).unlink()
        return own(address, *arguments, **options)

    monkeypatch.setattr(store_build, "read_image", lose)
    with pytest.raises(DataError, match=r"/images/c\.png: no such file\.$"):
        PixelStore.open(data, 32, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir()), "nothing half-written is left"


def test_a_file_that_vanishes_while_it_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = png(tmp_path / "deep.png")
    own = Image.open

    def open_then_lose(file: object, *arguments: object):
        image = own(file, *arguments)
        path.unlink()
        return image

    monkeypatch.setattr(Image, "open", open_then_lose)
    with pytest.raises(DataError, match=r"deep\.png: no such file"):
        read_image(path)


# -- names -------------------------------------------------------------------------------------------------------------


def test_names_of_every_kind(tmp_path: Path) -> None:
    data = open_data(pairs(tmp_path, ODD_NAMES))
    assert sorted(data.table["id"]) == sorted(ODD_NAMES)
    store = PixelStore.open(data, 32, channels=1, cache=tmp_path / "cache")
    levels = dict(zip(data.table["id"], store.images[:, 0, 0, 0].tolist(), strict=True))
    assert levels == {name: 10 + place for place, name in enumerate(ODD_NAMES)}


def test_accents_written_in_two_ways_are_one_name(tmp_path: Path) -> None:
    png(tmp_path / "images" / (unicodedata.normalize("NFC", "café") + ".png"))
    png(tmp_path / "masks" / (unicodedata.normalize("NFD", "café") + "_mask.png"))
    pairs(tmp_path, ["b"])
    assert len(open_data(tmp_path)) == 2


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    for place in ("a/1", "a/2", "b/3", "b/4"):
        png(tmp_path / "set" / f"{place}.png")
    odd = os.fsencode(tmp_path / "set" / "b") + b"/\xff.png"
    try:
        (tmp_path / "set" / "b" / "3.png").rename(os.fsdecode(odd))
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(DataError, match=r"b/\\udcff\.png: this name of a file is no text in UTF-8"):
        open_data(tmp_path / "set")
