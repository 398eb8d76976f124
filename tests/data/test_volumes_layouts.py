"""Volumes and stacks of pages in every layout: a row a slice, the volume as the group, masks on their images."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from PIL import Image

from medgraft.data import Manifest, PixelStore, open_data
from medgraft.data.problems import collecting
from medgraft.errors import DataError, RecipeError

SHAPE = (6, 5, 4)
VALUES = {"0": "background", "1": "organ"}
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def volume(path: Path, values: np.ndarray | int = 0, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    filled = np.full(SHAPE, values, np.uint8) if isinstance(values, int) else values
    nib.Nifti1Image(filled, affine).to_filename(path)
    return path


def png(path: Path, level: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 9), level).save(path)
    return path


def stack(path: Path, levels: list[int], size: tuple[int, int] = (8, 9)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [Image.new("L", size, level) for level in levels]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def lines(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def names(data: Manifest, column: str = "image") -> list[str]:
    return [text.rpartition("/")[2] for text in data.table[column]]


def ball(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright ball and its mask, no two of them alike."""
    rng = np.random.default_rng(seed)
    grid = np.indices((12, 11, 10)).transpose(1, 2, 3, 0)
    mask = (((grid - rng.uniform(4, 7, 3)) ** 2).sum(-1) < 9).astype(np.uint8)
    return (rng.normal(100, 10, mask.shape) + 300.0 * mask).astype(np.int16), mask


# -- images/ and masks/ ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "parts"), [("axial", 4), ("coronal", 5), ("sagittal", 6)]
)  # fmt: skip
def test_a_row_a_slice_and_the_volume_is_the_group(tmp_path: Path, axis: str, parts: int) -> None:
    for name in ("p1", "p2"):
        volume(tmp_path / "images" / f"{name}.nii.gz")
        volume(tmp_path / "masks" / f"{name}_seg.nii.gz", 1)
    data = open_data(tmp_path, axis=axis)
    assert len(data) == 2 * parts
    assert data.table["id"].tolist()[:2] == [f"p1-{axis}-0", f"p1-{axis}-1"]
    assert names(data)[-1] == f"p2.nii.gz#{axis}-{parts - 1}"
    assert names(data, "target")[-1] == f"p2_seg.nii.gz#{axis}-{parts - 1}"
    assert data.table["group"].tolist() == ["p1"] * parts + ["p2"] * parts
    assert data.notes == (
        "images/ and masks/: 2 images with masks",
        f"2 volumes read as {2 * parts} {axis} slices",
        "no patient is named, so the pictures of one file are a group",
    )


def test_a_table_beside_them_names_the_patients(tmp_path: Path) -> None:
    for name in ("p1_a", "p1_b", "p2"):
        volume(tmp_path / "images" / f"{name}.nii.gz")
        volume(tmp_path / "masks" / f"{name}.nii.gz", 1)
    lines(tmp_path / "scans.csv", "file,patient,site", "p1_a.nii.gz,ann,x", "p1_b,ann,y", "p2.nii.gz,bob,y")
    data = open_data(tmp_path)
    assert data.table["group"].tolist() == ["ann"] * 8 + ["bob"] * 4
    assert data.table["site"].tolist() == ["x"] * 4 + ["y"] * 8
    assert not any("are a group" in note for note in data.notes)


def test_pictures_keep_their_rows_beside_volumes(tmp_path: Path) -> None:
    for kind, level in (("images", 5), ("masks", 1)):
        volume(tmp_path / kind / "scan.nii.gz", level)
        png(tmp_path / kind / "photo.png", level)
    data = open_data(tmp_path)
    assert names(data) == ["photo.png"] + [f"scan.nii.gz#axial-{n}" for n in range(4)]
    assert data.table["group"].tolist() == ["photo"] + ["scan"] * 4


def test_masks_lie_on_their_images_in_every_order_of_storage(tmp_path: Path) -> None:
    for place, codes in enumerate(("RAS", "LPS", "SAL", "PIR")):
        values, mask = ball(place)
        turn = nib.orientations.axcodes2ornt(tuple(codes))
        volume(tmp_path / "images" / f"c{place}.nii.gz", values)
        (tmp_path / "masks").mkdir(exist_ok=True)
        nib.Nifti1Image(mask, AFFINE).as_reoriented(turn).to_filename(tmp_path / "masks" / f"c{place}.nii.gz")
    for axis in ("axial", "coronal", "sagittal"):
        data = open_data(tmp_path, axis=axis)
        store = PixelStore.open(data, 32, channels=1, cache=tmp_path / "cache", workers=3)
        assert store.images.dtype == np.uint16
        for image, mask in zip(store.images[..., 0], store.masks, strict=True):
            inside, outside = image[mask == 1], image[mask == 0]
            if len(inside):
                assert inside.mean() > outside.mean() + 20000


def test_a_mask_in_nrrd_lies_on_its_image_in_nifti(tmp_path: Path) -> None:
    values, mask = ball(1)
    volume(tmp_path / "images" / "a.nii.gz", values)
    volume(tmp_path / "images" / "b.nii.gz", values)
    (tmp_path / "masks").mkdir()
    header = {"space": "left-posterior-superior", "space directions": np.diag([-1.0, -1.0, 2.0]),
              "space origin": np.zeros(3)}  # fmt: skip
    for name in "ab":
        nrrd.write(str(tmp_path / "masks" / f"{name}.seg.nrrd"), mask, header)
    store = PixelStore.open(open_data(tmp_path), 32, channels=1, cache=tmp_path / "cache")
    assert (store.images[..., 0] > 40000).sum() == pytest.approx(int((store.masks == 1).sum()), rel=0.3)
    assert store.images[store.masks == 1].mean() > store.images[store.masks == 0].mean() + 20000


def test_rows_of_a_store_are_those_of_the_manifest(tmp_path: Path) -> None:
    """Volumes are decoded by turns; each row must be what its address says."""
    for place, depth in enumerate((3, 5, 4)):
        values = np.zeros((4, 4, depth), np.uint8)
        values[:] = 60 * place + 10 * np.arange(depth)
        volume(tmp_path / "images" / f"{place}.nii.gz", values)
        volume(tmp_path / "masks" / f"{place}.nii.gz", (values > 0).astype(np.uint8))
    store = PixelStore.open(open_data(tmp_path), 32, channels=1, cache=tmp_path / "cache", workers=2)
    assert store.images[:, 0, 0, 0].tolist() == [0, 10, 20, 60, 70, 80, 90, 100, 120, 130, 140, 150]
    assert store.masks[:, 0, 0].tolist() == [0] + [1] * 11
    assert store.sizes.tolist() == [[4, 4]] * 12


@pytest.mark.parametrize(("mask", "says"), [
    (lambda p: volume(p, np.zeros((6, 5, 3), np.uint8)), "has 6 x 5 x 4 voxels .* has 6 x 5 x 3"),
    (lambda p: volume(p, 0, np.diag([1.0, 1.0, -2.0, 1.0])), r"\(stored RAS\) .*\(stored RAI\) lie 6\.0 mm"),
    (lambda p: volume(p, 0, np.eye(4)), "lie 3.0 mm apart"),
    (lambda p: png(p.with_name("scan.png")), "holds 4 pictures and its mask .* holds 1"),
    (lambda p: stack(p.with_name("scan.tif"), [1] * 4), "are files of different kinds"),
])  # fmt: skip
def test_a_mask_of_other_voxels_is_refused(tmp_path: Path, mask, says: str) -> None:
    volume(tmp_path / "images" / "scan.nii.gz")
    mask(tmp_path / "masks" / "scan.nii.gz")
    (tmp_path / "masks").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=says) as error:
        open_data(tmp_path)
    assert "\n" not in str(error.value) and "scan.nii.gz" in str(error.value)


def test_an_inspection_goes_on_without_it(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        volume(tmp_path / "images" / f"{name}.nii.gz")
        volume(tmp_path / "masks" / f"{name}.nii.gz", 0, AFFINE if name == "good" else np.eye(4))
    with collecting() as problems:
        data = open_data(tmp_path)
    assert [problem.kind for problem in problems] == ["masks elsewhere"]
    assert problems[0].places == (str(tmp_path / "images" / "bad.nii.gz"),)
    assert set(data.table["group"]) == {"good"} and len(data) == 4


def test_headers_that_differ_by_rounding_are_the_same(tmp_path: Path) -> None:
    volume(tmp_path / "images" / "scan.nii.gz")
    volume(tmp_path / "masks" / "scan.nii.gz", 0, AFFINE + 1e-4)
    assert len(open_data(tmp_path)) == 4


def test_files_that_cannot_be_opened_wait_for_their_decoding(tmp_path: Path) -> None:
    for name in ("a", "b"):
        volume(tmp_path / "images" / f"{name}.nii.gz")
        volume(tmp_path / "masks" / f"{name}.nii.gz", 1)
    (tmp_path / "images" / "b.nii.gz").write_bytes(b"no volume")
    data = open_data(tmp_path)
    assert names(data)[-1] == "b.nii.gz" and len(data) == 5
    with pytest.raises(DataError, match=r"^\S*/b\.nii\.gz: cannot be read as NIfTI.*$"):
        PixelStore.open(data, 32, cache=tmp_path / "cache")


def test_what_is_wrong_with_all_slices_is_said_once(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", np.nan)):
        volume(tmp_path / "images" / f"{name}.nii.gz", np.full(SHAPE, value, np.float32))
        volume(tmp_path / "masks" / f"{name}.nii.gz", 1)
    with pytest.raises(DataError) as error:
        PixelStore.open(open_data(tmp_path), 32, cache=tmp_path / "cache")
    assert str(error.value).count("NaN or infinite") == 1 and "\n" not in str(error.value)


# -- pages -------------------------------------------------------------------------------------------------------------


def test_pages_of_a_tiff_are_images(tmp_path: Path) -> None:
    stack(tmp_path / "images" / "cells.tif", [10, 20, 30])
    stack(tmp_path / "masks" / "cells.tif", [0, 255, 255])
    png(tmp_path / "images" / "one.png", 200)
    png(tmp_path / "masks" / "one.png", 0)
    data = open_data(tmp_path)
    assert names(data) == ["cells.tif#1", "cells.tif#2", "cells.tif#3", "one.png"]
    assert data.table["id"].tolist() == ["cells-1", "cells-2", "cells-3", "one"]
    assert data.table["group"].tolist() == ["cells"] * 3 + ["one"]
    assert "1 file of several pages or frames read as 3 images" in data.notes
    store = PixelStore.open(data, 32, channels=1, cache=tmp_path / "cache")
    assert store.images[:, 0, 0, 0].tolist() == [10, 20, 30, 200] and store.masks[:, 0, 0].tolist() == [0, 1, 1, 0]


def test_another_number_of_pages_is_refused(tmp_path: Path) -> None:
    stack(tmp_path / "images" / "cells.tif", [10, 20, 30])
    stack(tmp_path / "masks" / "cells.tif", [0, 255])
    with pytest.raises(DataError, match=r"holds 3 pictures and its mask .*/masks/cells\.tif holds 2"):
        open_data(tmp_path)


# -- labels ------------------------------------------------------------------------------------------------------------


def test_a_class_folder_of_volumes_labels_each_slice(tmp_path: Path) -> None:
    for label, count in (("healthy", 2), ("tumour", 1)):
        for number in range(count):
            volume(tmp_path / label / f"{label}{number}.nii.gz", 9)
    data = open_data(tmp_path, axis="sagittal")
    assert data.table["target"].tolist() == ["healthy"] * 12 + ["tumour"] * 6
    assert data.table["group"].tolist()[::6] == ["healthy0", "healthy1", "tumour0"]
    assert data.labels.tolist() == [0] * 12 + [1] * 6


def test_a_table_of_volumes_and_labels(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        volume(tmp_path / "scans" / f"{name}.nii.gz")
    table = lines(
        tmp_path / "labels.csv", "file,label,patient", "scans/a.nii.gz,0,p1", "scans/b,1,p1", "scans/c.nii.gz,1,p2"
    )
    data = open_data(table)
    assert len(data) == 12 and data.table["target"].tolist() == ["0"] * 4 + ["1"] * 8
    assert data.table["group"].tolist() == ["p1"] * 8 + ["p2"] * 4


def test_a_table_may_name_slices(tmp_path: Path) -> None:
    volume(tmp_path / "a.nii.gz")
    table = lines(tmp_path / "labels.csv", "image,label", "a.nii.gz#axial-1,0", "a.nii.gz#coronal-2,1")
    data = open_data(table)
    assert data.table["id"].tolist() == ["a-axial-1", "a-coronal-2"]
    assert data.table["group"].tolist() == ["a", "a"], (
        "slices of one volume leak as much when they are named one by one"
    )
    assert data.notes[-1] == "no patient is named, so the pictures of one file are a group"


def test_a_table_of_volumes_and_masks(tmp_path: Path) -> None:
    for name in ("a", "b"):
        volume(tmp_path / f"{name}.nii.gz")
        volume(tmp_path / f"{name}-truth.nii.gz", 1)
    table = lines(
        tmp_path / "t.csv", "image,mask,split", "a.nii.gz,a-truth.nii.gz,train", "b.nii.gz,b-truth.nii.gz,test"
    )
    data = open_data(table)
    assert data.split_counts() == {"train": 4, "val": 0, "test": 4}
    assert names(data, "target")[5] == "b-truth.nii.gz#axial-1"


def test_slices_can_be_excluded(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        volume(tmp_path / kind / "a.nii.gz", 1)
        volume(tmp_path / kind / "b.nii.gz", 1)
    exclude = lines(tmp_path / "exclude.txt", "images/a.nii.gz#axial-2", "images/b.nii.gz")
    assert names(open_data(tmp_path, exclude=exclude)) == [f"a.nii.gz#axial-{n}" for n in (0, 1, 3)]


def test_the_same_names_in_two_folders(tmp_path: Path) -> None:
    for site in ("x", "y"):
        for kind in ("images", "masks"):
            volume(tmp_path / kind / site / "scan.nii.gz", 1)
    data = open_data(tmp_path)
    assert data.table["id"].tolist()[::4] == ["x/scan-axial-0", "y/scan-axial-0"]
    assert data.table["group"].tolist()[::4] == ["x/scan", "y/scan"]


def test_a_store_is_built_anew_where_a_volume_changed(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        volume(tmp_path / kind / "a.nii.gz", 1)
    options = {"cache": tmp_path / "cache", "mask_values": VALUES}
    first = PixelStore.open(open_data(tmp_path), 32, **options)
    again = PixelStore.open(open_data(tmp_path), 32, **options)
    other = PixelStore.open(open_data(tmp_path, axis="coronal"), 32, **options)
    assert first.path == again.path != other.path
    volume(tmp_path / "images" / "a.nii.gz", 77)
    changed = PixelStore.open(open_data(tmp_path), 32, **options)
    assert changed.path != first.path and changed.images.max() == 77


def test_a_store_is_built_anew_where_the_data_of_a_detached_header_changed(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        nrrd.write(str(tmp_path / kind / "a.nhdr"), np.ones(SHAPE, np.uint8), {"encoding": "raw"})
    data = open_data(tmp_path)
    options = {"cache": tmp_path / "cache", "mask_values": VALUES}
    first = PixelStore.open(data, 32, **options)
    (raw,) = (tmp_path / "images").glob("*.raw")
    raw.write_bytes(bytes([50]) * raw.stat().st_size + b" ")
    assert PixelStore.open(data, 32, **options).path != first.path


def test_an_axis_that_there_is_none_of(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        volume(tmp_path / kind / "a.nii.gz", 1)
    with pytest.raises(RecipeError, match="axis: 'transverse' is none of axial, coronal, sagittal"):
        open_data(tmp_path, axis="transverse")
