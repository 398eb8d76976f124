"""Slices of NIfTI and NRRD files: how they lie, what grey they are, what is refused, and how often a file is read."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from medgraft.data import LabelClasses, Manifest
from medgraft.data.formats import AXES, image_size, parts_of, read_image, read_mask, volumes
from medgraft.data.formats.window import Window
from medgraft.data.modality import all_grey
from medgraft.errors import DataError

LENGTHS = (5, 6, 7)  # voxels from left to right, from back to front, from feet to head
ALL_ORIENTATIONS = [
    "".join(code)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for code in itertools.product(*axes)
]  # fmt: skip


def coded() -> np.ndarray:
    """[right, front, head]: each voxel holds its own place, 100 right + 10 front + head."""
    return np.array([[[100 * x + 10 * y + z for z in range(7)] for y in range(6)] for x in range(5)], np.int16)


def nifti(path: Path, values: np.ndarray, affine: np.ndarray | None = None, **header: float) -> Path:
    image = nib.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    if header:
        image.header.set_slope_inter(header["slope"], header["inter"])
    image.to_filename(path)
    return path


def stored_as(codes: str, path: Path) -> Path:
    """The coded volume with its axes stored in another order, by nibabel's own code."""
    image = nib.Nifti1Image(coded(), np.diag([2.0, 3.0, 4.0, 1.0]))
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes))))
    assert "".join(nib.aff2axcodes(turned.affine)) == codes
    turned.to_filename(path)
    return path


def nrrd_as(codes: str, space: str, path: Path) -> Path:
    """The same by hand: axes in the order of ``codes``, directions in ``space``."""
    names, values = "RAS", coded()
    order = [next(i for i, pair in enumerate(("LR", "PA", "IS")) if code in pair) for code in codes]
    ways = [1 if code in names else -1 for code in codes]
    values = values.transpose(order)[tuple(slice(None, None, way) for way in ways)]
    signs = np.array([1, 1, 1]) if space.startswith("right") else np.array([-1, -1, 1])
    directions = np.zeros((3, 3))
    for place, (axis, way) in enumerate(zip(order, ways, strict=True)):
        directions[place, axis] = way * (2, 3, 4)[axis] * signs[axis]
    nrrd.write(str(path), values, {"space": space, "space directions": directions, "space origin": np.zeros(3)})
    return path


def look(file: Path, axis: str) -> list[np.ndarray]:
    """All slices as they are stored: read as masks, whose values no window changes."""
    return [read_mask(address) for address in parts_of(file, axis)]


# -- how a slice lies ----------------------------------------------------------------------------------------------


def seen(axis: str, number: int) -> list[list[int]]:
    """What a radiologist sees, pixel by pixel from the top left."""
    right, front, head = (range(n - 1, -1, -1) for n in LENGTHS)  # from right, from the front, from the head
    if axis == "axial":
        return [[100 * x + 10 * y + number for x in right] for y in front]
    if axis == "coronal":
        return [[100 * x + 10 * number + z for x in right] for z in head]
    return [[100 * number + 10 * y + z for y in front] for z in head]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("codes", ALL_ORIENTATIONS)
def test_a_slice_lies_the_same_however_it_is_stored(tmp_path: Path, codes: str, axis: str) -> None:
    file = stored_as(codes, tmp_path / "scan.nii")
    slices = look(file, axis)
    assert len(slices) == {"axial": 7, "coronal": 6, "sagittal": 5}[axis]
    assert [pixels.tolist() for pixels in slices] == [seen(axis, number) for number in range(len(slices))]
    assert image_size(f"{file}#{axis}-2") == slices[2].shape


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("space", ["left-posterior-superior", "LPS", "right-anterior-superior", "RAS"])
@pytest.mark.parametrize("codes", ["LPS", "RAS", "SAL", "PIR"])
def test_nrrd_lies_as_nifti_does(tmp_path: Path, codes: str, space: str, axis: str) -> None:
    long = {"LPS": "left-posterior-superior", "RAS": "right-anterior-superior"}.get(space, space)
    file = nrrd_as(codes, long, tmp_path / "scan.nrrd")
    if space != long:
        file.write_bytes(file.read_bytes().replace(f"space: {long}".encode(), f"space: {space}".encode(), 1))
    assert [pixels.tolist() for pixels in look(file, axis)] == [seen(axis, n) for n in range(len(look(file, axis)))]


def test_nibabel_shows_the_same_oblique_slice(tmp_path: Path) -> None:
    """An oblique volume is seen along the axes it lies closest to; the oracle is nibabel's canonical order."""
    tilt = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = [[0, -np.cos(tilt), np.sin(tilt)], [-1, 0, 0], [0, np.sin(tilt), np.cos(tilt)]]
    values = np.random.default_rng(0).integers(0, 200, (4, 5, 6)).astype(np.int16)
    file = nifti(tmp_path / "oblique.nii.gz", values, affine)
    canonical = np.asarray(nib.as_closest_canonical(nib.load(file)).dataobj)
    for number, pixels in enumerate(look(file, "axial")):
        assert (pixels == np.rot90(canonical[:, :, number])[:, ::-1]).all()


def test_a_nrrd_without_a_space_is_left_back_head(tmp_path: Path) -> None:
    values = coded()[::-1, ::-1]  # the first axis to the left, the second to the back
    nrrd.write(str(tmp_path / "bare.nrrd"), values)
    assert look(tmp_path / "bare.nrrd", "axial")[3].tolist() == seen("axial", 3)


def test_a_detached_header_reads_the_file_it_names(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "scan.nhdr"), coded()[::-1, ::-1], {"encoding": "gzip"})
    assert look(tmp_path / "scan.nhdr", "coronal")[1].tolist() == seen("coronal", 1)
    (beside,) = set(tmp_path.iterdir()) - {tmp_path / "scan.nhdr"}
    from medgraft.data.formats import sources_of

    assert sources_of(tmp_path / "scan.nhdr") == [tmp_path / "scan.nhdr", beside]
    assert sources_of(beside) == [beside]


def test_a_fourth_dimension_of_one_is_none(tmp_path: Path) -> None:
    file = nifti(tmp_path / "scan.nii.gz", coded()[..., None])
    assert look(file, "axial")[2].tolist() == seen("axial", 2)
    nrrd.write(str(tmp_path / "scan.nrrd"), coded()[::-1, ::-1][None],
               {"kinds": ["list", "domain", "domain", "domain"]})  # fmt: skip
    assert look(tmp_path / "scan.nrrd", "axial")[2].tolist() == seen("axial", 2)


# -- grey levels -----------------------------------------------------------------------------------------------------


def test_a_window_by_hand(tmp_path: Path) -> None:
    values = np.array([-1000, 0, 50, 100, 3000, 25], np.int16).reshape(6, 1, 1)
    file = nifti(tmp_path / "ct.nii.gz", values)
    pixels = read_image(f"{file}#axial-0", channels=1, window="50/100")
    # From right to left; 25 is a quarter of the way, 0.25 * 65535 = 16383.75.
    assert pixels.dtype == np.uint16 and pixels.ravel().tolist() == [16384, 65535, 65535, 32768, 0, 0]
    assert (read_image(f"{file}#axial-0", channels=3, window="50/100") == pixels).all()
    full = read_image(f"{file}#axial-0", channels=1, window="full").ravel()
    assert full.tolist()[1] == 65535 and full.tolist()[-1] == 0 and full.tolist()[3] == round(1050 / 4000 * 65535)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64", ">i2", "int8"])
@pytest.mark.parametrize(("slope", "inter"), [(1.0, 0.0), (0.5, -1024.0), (-2.0, 7.0)])
def test_auto_is_percentiles_of_the_whole_volume(tmp_path: Path, dtype: str, slope: float, inter: float) -> None:
    rng = np.random.default_rng(3)
    stored = rng.normal(60, 20, (20, 21, 22)).clip(0, 120).astype(dtype)
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_data_dtype(dtype)
    image.to_filename(tmp_path / "scan.nii.gz")
    raw = bytearray(gzip.decompress((tmp_path / "scan.nii.gz").read_bytes()))
    end = ">" if dtype.startswith(">") else "<"
    raw[112:120] = np.array([slope, inter], f"{end}f4").tobytes()  # scl_slope, scl_inter
    file = tmp_path / "scan.nii"
    file.write_bytes(bytes(raw))
    values = nib.load(file).get_fdata()
    low, high = np.percentile(values, [0.5, 99.5])
    expected = np.clip((values - low) / (high - low), 0, 1) * 65535
    for number in (0, 11):
        pixels = read_image(f"{file}#axial-{number}", channels=1)[..., 0]
        assert pixels.dtype == np.uint16
        assert np.abs(pixels - expected[::-1, ::-1, number].T).max() <= 1
    pixels = read_image(f"{file}#axial-11", channels=1, window="10-90")[..., 0]
    low, high = np.percentile(values, [10, 90])
    assert np.abs(pixels - (np.clip((values - low) / (high - low), 0, 1) * 65535)[::-1, ::-1, 11].T).max() <= 1


def test_bytes_stay_as_they_are_unless_a_window_is_asked_for(tmp_path: Path) -> None:
    values = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    file = nifti(tmp_path / "t1.nii.gz", values)
    assert (read_image(f"{file}#axial-2", channels=1)[..., 0] == values[::-1, ::-1, 2].T).all()
    assert read_image(f"{file}#axial-2", channels=1).dtype == np.uint8
    assert read_image(f"{file}#axial-2", channels=1, window="60/10").dtype == np.uint16


def test_colour_is_colour(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 2, 3)).astype(np.uint8)
    packed = np.zeros((4, 5, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for place, name in enumerate("RGB"):
        packed[name] = rgb[..., place]
    file = nifti(tmp_path / "rgb.nii", packed)
    assert (read_image(f"{file}#axial-1") == rgb[::-1, ::-1, 1].swapaxes(0, 1)).all()
    with pytest.raises(DataError, match="a colour image where a mask is wanted"):
        read_mask(f"{file}#axial-1")
    header = {"kinds": ["RGB-color", "domain", "domain", "domain"]}
    nrrd.write(str(tmp_path / "rgb.nrrd"), np.moveaxis(rgb[::-1, ::-1], 3, 0), header)
    assert (read_image(f"{tmp_path}/rgb.nrrd#axial-1") == read_image(f"{file}#axial-1")).all()


def test_colour_is_told_by_the_header_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = np.zeros((4, 5, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    found = {}
    for name, voxels in (("grey", coded()), ("rgb", packed)):
        nifti(tmp_path / f"{name}.nii.gz", voxels)
        table = pd.DataFrame({"image": parts_of(tmp_path / f"{name}.nii.gz")[:2], "target": ["a", "b"]})
        data = Manifest(table.assign(id=table["target"]), tmp_path, name, classes=LabelClasses(("a", "b")))
        monkeypatch.setattr(volumes, "_volume", lambda file: pytest.fail(f"{file} was unpacked"))
        found[name] = all_grey(data)
        monkeypatch.undo()
    assert found == {"grey": True, "rgb": False}


def test_a_sparse_volume_is_not_all_black() -> None:
    values = np.zeros(10_000)
    values[:10] = 5
    for dtype in (np.float32, np.uint8, np.int32):
        assert Window.between(values.astype(dtype), (0.5, 99.5)) == Window(0, 5)
    assert (Window.between(np.full(4, 7.0), (0.5, 99.5)).apply(np.full(4, 7.0)) == 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([np.int8, np.uint8, np.int16, np.uint16]),
    st.integers(1, 400),
    st.tuples(st.floats(0, 100), st.floats(0, 100)),
    st.integers(0, 99),
)
def test_counted_percentiles_are_numpys(
    dtype: type[np.generic], size: int, ends: tuple[float, float], seed: int
) -> None:
    info = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(info.min, info.max, size, dtype=dtype, endpoint=True)
    low, high = np.percentile(values.astype(np.float64), sorted(ends))
    window = Window.between(values, (min(ends), max(ends)))
    if low < high:
        assert (window.low, window.high) == pytest.approx((low, high), abs=1e-6)
    else:
        assert (window.low, window.high) == (values.min(), values.max())


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_looking_up_is_working_out(dtype: type[np.generic]) -> None:
    info = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(info.min, info.max, (300, 300), dtype=dtype)
    window = Window(info.min / 3, info.max / 2)
    assert (window.apply(values) == window.apply(values.astype(np.float64))).all()


@pytest.mark.parametrize(("dtype", "least", "step"), [("float64", 1e6, 1e-3), ("int32", 2**30, 1)])
def test_large_values_that_lie_close_together_are_told_apart(
    tmp_path: Path, dtype: str, least: float, step: float
) -> None:
    values = (least + step * np.arange(60)).reshape(3, 4, 5).astype(dtype)
    file = nifti(tmp_path / "a.nii", values)
    levels = np.stack([read_image(part, 1, window="full")[..., 0] for part in parts_of(file)])
    assert sorted(levels.ravel().tolist()) == [round(65535 * place / 59) for place in range(60)]


def test_windows_that_only_dicom_has(tmp_path: Path) -> None:
    file = nifti(tmp_path / "ct.nii.gz", coded())
    with pytest.raises(DataError, match=r"ct\.nii\.gz: has no windows of its own, and LUNG is asked for.*40/400"):
        read_image(f"{file}#axial-0", window="LUNG")


# -- masks -----------------------------------------------------------------------------------------------------------


def test_masks_of_whole_numbers_in_any_type(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (4, 5, 6))
    for dtype in ("uint8", "int16", "int32", "float32", "float64", "uint16"):
        file = nifti(tmp_path / f"{dtype}.nii.gz", labels.astype(dtype))
        mask = read_mask(f"{file}#coronal-3")
        assert mask.dtype == np.uint8 and (mask == labels[::-1, 3, ::-1].T).all()
    file = nifti(tmp_path / "large.nii.gz", (labels * 1000).astype(np.int32))
    assert read_mask(f"{file}#axial-0").dtype == np.uint16
    nrrd.write(str(tmp_path / "truth.nrrd"), (labels > 1).astype(np.uint8))
    assert set(np.unique(read_mask(f"{tmp_path}/truth.nrrd#axial-0"))) == {0, 1}


def test_negative_values_are_kept_for_the_error_that_names_them(tmp_path: Path) -> None:
    file = nifti(tmp_path / "signed.nii.gz", np.full((2, 2, 2), -1, np.int16))
    assert (read_mask(f"{file}#axial-0") == -1).all()


def test_a_mask_of_fractions_is_refused(tmp_path: Path) -> None:
    values = np.zeros((3, 3, 3), np.float32)
    values[1, 1, 1] = 0.25
    file = nifti(tmp_path / "probability.nii.gz", values)
    assert (read_mask(f"{file}#axial-0") == 0).all()
    with pytest.raises(
        DataError, match=r"probability\.nii\.gz#axial-1: holds 0\.25, and the values of a mask are whole"
    ):
        read_mask(f"{file}#axial-1")
