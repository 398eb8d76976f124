"""Addresses of pictures, pages of TIFFs, and which files are images."""

from __future__ import annotations

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medgraft.data.formats import (
    IMAGE_SUFFIXES,
    Address,
    ending_of,
    file_of,
    image_size,
    is_image,
    is_windowed,
    parts_of,
    read_image,
    read_mask,
    stem_of,
)
from medgraft.data.layouts.matching import unique_ids
from medgraft.errors import DataError

# -- texts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "file", "part"), [
    ("/a/scan.nii.gz#axial-017", "/a/scan.nii.gz", "axial-017"),
    ("stack.tif#3", "stack.tif", "3"),
    ("a.png", "a.png", ""),
    ("lot #7/a.png", "lot #7/a.png", ""),
    ("lot #7.png", "lot #7.png", ""),
    ("one#two.tif#12", "one#two.tif", "12"),
    ("#3", "#3", ""),
    ("a.png#", "a.png#", ""),
])  # fmt: skip
def test_a_part_follows_the_last_sign(text: str, file: str, part: str) -> None:
    assert Address.parse(text) == Address(Path(file), part)
    assert str(Address.parse(text)) == text and file_of(text) == Path(file)


def test_a_file_that_is_there_is_meant_as_it_is_called(tmp_path: Path) -> None:
    odd = tmp_path / "IM#3"
    assert file_of(odd) == tmp_path / "IM"
    odd.touch()
    assert file_of(odd) == odd


@given(st.text("ab.#/-_ é☤", min_size=1, max_size=12), st.from_regex(r"[a-z]{1,6}-[0-9]{1,3}", fullmatch=True))
def test_what_is_written_is_read_back(name: str, part: str) -> None:
    address = Address(Path(f"/nowhere/{name}"), part)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(("name", "ending", "stem"), [
    ("scan.nii.gz", ".nii.gz", "scan"),
    ("SCAN.NII.GZ", ".nii.gz", "SCAN"),
    ("scan.nii", ".nii", "scan"),
    ("v1.2.png", ".png", "v1.2"),
    ("IM0001", "", "IM0001"),
    ("archive.tar.gz", ".gz", "archive.tar"),
    (".hidden", "", ".hidden"),
])  # fmt: skip
def test_endings_of_two_are_one(name: str, ending: str, stem: str) -> None:
    assert (ending_of(Path(name)), stem_of(Path(name))) == (ending, stem)


def test_ids_of_parts() -> None:
    assert unique_ids(["/d/a.nii.gz#axial-1", "/d/b.png"]) == ["a-axial-1", "b"]
    assert unique_ids(["/d/x/a.nii.gz#axial-1", "/d/y/a.nii.gz#axial-1"]) == ["x/a-axial-1", "y/a-axial-1"]
    assert unique_ids(["/d/a.png", "/d/a.nii.gz"]) == ["a.png", "a.nii.gz"]
    assert unique_ids(["/d/#1.png", "/d/#2.png"]) == ["#1", "#2"]


def test_which_files_are_images(tmp_path: Path) -> None:
    for name in ("a.png", "b.TIF", "c.nii.gz", "d.nrrd", "e.csv", "f.gz", "g.txt", "h"):
        (tmp_path / name).write_text("nothing of the kind")
    found = [file.name for file in sorted(tmp_path.iterdir()) if is_image(file)]
    assert found == ["a.png", "b.TIF", "c.nii.gz", "d.nrrd"]
    assert {".nii.gz", ".nii", ".nrrd", ".png"} < set(IMAGE_SUFFIXES)


def test_whose_grey_levels_come_from_a_window(tmp_path: Path) -> None:
    assert is_windowed(f"{tmp_path}/a.nii.gz#axial-1") and not is_windowed(tmp_path / "a.tif")


# -- pages of a TIFF ---------------------------------------------------------------------------------------------------


def pages(count: int = 12, dtype: type = np.uint8, colour: bool = False) -> np.ndarray:
    shape = (count, 6, 8, 3) if colour else (count, 6, 8)
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}], ids=["plain", "packed", "big"])
def test_every_page_is_read_as_written(tmp_path: Path, dtype: type, colour: bool, options: dict) -> None:
    written = pages(12, dtype, colour)
    tifffile.imwrite(
        tmp_path / "s.tif", written, photometric="rgb" if colour else "minisblack", metadata=None, **options
    )
    addresses = parts_of(tmp_path / "s.tif")
    assert addresses[0] == f"{tmp_path}/s.tif#01" and addresses[-1] == f"{tmp_path}/s.tif#12"
    for address, page in zip(addresses, written, strict=True):
        expected = page if colour else np.repeat(page[..., None], 3, axis=2)
        assert (read_image(address) == expected).all() and read_image(address).dtype == dtype
        assert image_size(address) == (6, 8)
        if not colour:
            assert (read_mask(address) == page).all()


def test_pages_as_opencv_writes_them(tmp_path: Path) -> None:
    written = list(pages(3, np.uint16))
    cv2.imwritemulti(str(tmp_path / "s.tiff"), written)
    assert [read_mask(address).tolist() for address in parts_of(tmp_path / "s.tiff")] == [p.tolist() for p in written]


def test_pages_may_differ_in_kind_and_size(tmp_path: Path) -> None:
    first, second = Image.new("L", (8, 6), 9), Image.new("RGB", (5, 4), (1, 2, 3))
    first.save(tmp_path / "s.tif", save_all=True, append_images=[second])
    one, two = parts_of(tmp_path / "s.tif")
    assert image_size(one) == (6, 8) and image_size(two) == (4, 5)
    assert read_image(one).max() == 9 and read_image(two)[0, 0].tolist() == [1, 2, 3]


def test_smaller_copies_are_no_pages(tmp_path: Path) -> None:
    whole = pages(1)[0]
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(whole)
        file.write(whole[::2, ::2], subfiletype=1)
    assert parts_of(tmp_path / "pyramid.tif") == [f"{tmp_path}/pyramid.tif"]
    assert (read_mask(tmp_path / "pyramid.tif") == whole).all()
    with tifffile.TiffWriter(tmp_path / "thumbnail.tif") as file:
        file.write(whole[::2, ::2], subfiletype=1)
        file.write(whole)
    assert parts_of(tmp_path / "thumbnail.tif") == [f"{tmp_path}/thumbnail.tif"]
    assert (read_mask(tmp_path / "thumbnail.tif") == whole).all()
    assert image_size(tmp_path / "thumbnail.tif") == (6, 8)


@pytest.mark.parametrize(("part", "says"), [
    ("", r"holds 3 pages where one image is wanted; name one of them, as s\.tif#1"),
    ("4", "has no page 4; pages are counted from 1"),
    ("0", "has no page 0; pages are counted from 1"),
    ("axial-1", "has no page 'axial-1'; only the pages of a TIFF"),
])  # fmt: skip
def test_pages_that_are_not_there(tmp_path: Path, part: str, says: str) -> None:
    tifffile.imwrite(tmp_path / "s.tif", pages(3), photometric="minisblack", metadata=None)
    with pytest.raises(DataError, match=says):
        read_image(str(Address(tmp_path / "s.tif", part)))


def test_a_picture_of_one_page_has_no_other(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="only the pages of a TIFF are named so"):
        read_image(f"{tmp_path}/a.png#2")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_moving_pictures_are_refused(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (6, 6), (level, 0, 0)) for level in (10, 200, 30)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert parts_of(tmp_path / name) == [f"{tmp_path}/{name}"]
    with pytest.raises(DataError, match="holds 3 frames where one image is wanted; save the frame you mean"):
        read_image(tmp_path / name)


def test_the_first_picture_of_a_phones_mpo_is_the_picture(tmp_path: Path) -> None:
    frames = [Image.new("L", (16, 16), level) for level in (50, 200)]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert abs(int(read_image(tmp_path / "a.jpg", 1).mean()) - 50) <= 1


def test_a_damaged_stack_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", pages(3), photometric="minisblack", metadata=None)
    (tmp_path / "s.tif").write_bytes((tmp_path / "s.tif").read_bytes()[:60])
    with pytest.raises(DataError, match=r"s\.tif: "):
        parts_of(tmp_path / "s.tif")


# -- inks and palettes, beyond those of test_raster --------------------------------------------------------------------


def test_a_jpeg_of_inks(tmp_path: Path) -> None:
    """Photoshop stores inks the other way round in a JPEG and says so by a marker; Pillow writes that too."""
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[8:, :, 3] = 255
    Image.frombytes("CMYK", (16, 16), inks.tobytes()).save(tmp_path / "inks.jpg", quality=100)
    pixels = read_image(tmp_path / "inks.jpg")
    assert pixels[:8].min() > 250 and pixels[8:].max() < 5


def test_deep_inks_are_refused_and_not_misread(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((8, 8, 4), np.uint16), photometric="separated", metadata=None)
    with pytest.raises(DataError, match=r"deep\.tif: .*cannot be read"):
        read_image(tmp_path / "deep.tif")


def test_a_palette_in_a_tiff_a_gif_and_a_bmp(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for name in ("p.tif", "p.gif", "p.bmp"):
        picture.save(tmp_path / name)
        assert read_image(tmp_path / name).tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
        assert read_mask(tmp_path / name).tolist() == [[0, 1, 2]]


def test_a_volume_beside_pictures_keeps_its_place(tmp_path: Path) -> None:
    nib.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4)).to_filename(tmp_path / "a#b.nii.gz")
    assert parts_of(tmp_path / "a#b.nii.gz")[3] == f"{tmp_path}/a#b.nii.gz#axial-3"
    assert image_size(f"{tmp_path}/a#b.nii.gz#axial-3") == (3, 2)
