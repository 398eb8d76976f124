"""Volumes that are refused, each by name and in one sentence, and how often a file is read."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medgraft.data.formats import AXES, Address, image_size, parts_of, read_image, read_mask, volumes
from medgraft.data.formats.volume_cache import Recent
from medgraft.errors import DataError


def coded() -> np.ndarray:
    """[right, front, head]: each voxel holds its own place, 100 right + 10 front + head."""
    return np.array([[[100 * x + 10 * y + z for z in range(7)] for y in range(6)] for x in range(5)], np.int16)


def nifti(path: Path, values: np.ndarray) -> Path:
    nib.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0])).to_filename(path)
    return path


# -- what is refused -------------------------------------------------------------------------------------------------


def with_nan(path: Path) -> None:
    values = np.ones((10, 10, 10), np.float32)
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    nifti(path, values)


def claiming(sides: tuple[int, int, int]):
    def write(path: Path) -> None:
        nifti(path, np.zeros((2, 2, 2), np.int16))
        packed = path.suffix == ".gz"
        raw = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
        raw[42:48] = np.array(sides, "<i2").tobytes()  # dim[1] to dim[3]
        path.write_bytes(gzip.compress(bytes(raw)) if packed else bytes(raw))

    return write


def cut(path: Path) -> None:
    nifti(path, np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:-400])


def flipped(path: Path) -> None:
    """One bit of the voxels that gzip stores as they are, so that nothing but its checksum tells."""
    nifti(path, np.zeros((8, 8, 8), np.uint8))
    packed = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))
    packed[-100] ^= 1
    path.write_bytes(bytes(packed))


def flat_affine(path: Path) -> None:
    nifti(path, np.zeros((3, 3, 3), np.uint8))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[254:256] = b"\x01\x00"  # sform_code: the matrix that follows holds
    raw[312:328] = bytes(16)  # srow_z
    path.write_bytes(gzip.compress(bytes(raw)))


BAD = [
    ("nan.nii.gz", with_nan, r"nan\.nii\.gz: 3 of its 1,000 values are NaN or infinite.*nan_to_num"),
    ("flat.nii.gz", lambda p: nifti(p, np.zeros((4, 5), np.int16)), r"holds 4 x 5, which is no volume of 3"),
    ("series.nii.gz", lambda p: nifti(p, np.zeros((4, 5, 6, 7), np.int16)), r"4 x 5 x 6 x 7, .*slicer\[\.\.\., 0\]"),
    ("vector.nii.gz", lambda p: nifti(p, np.zeros((4, 5, 6, 1, 3), np.float32)), r"4 x 5 x 6 x 1 x 3, which is no"),
    ("wave.nii.gz", lambda p: nifti(p, np.zeros((4, 5, 6), np.complex64)), r"complex64, and real numbers are wanted"),
    ("bomb.nii.gz", claiming((30000, 30000, 30000)), r"claims 54,000,000,000,000 bytes.*cannot hold them"),
    ("short.nii", claiming((200, 200, 200)), r"claims 16,000,000 bytes of voxels, and the file has 368"),
    ("cut.nii.gz", cut, "cannot be read as NIfTI, it is damaged"),
    ("flipped.nii.gz", flipped, "cannot be read as NIfTI, it is damaged"),
    ("text.nii.gz", lambda p: p.write_text("hello"), "cannot be read as NIfTI"),
    ("text.nii", lambda p: p.write_text("hello" * 100), "cannot be read as NIfTI"),
    ("none.nii.gz", lambda p: p.write_bytes(b""), r"the file is empty \(0 bytes\)"),
    ("gone.nii.gz", lambda p: None, "no such file"),
    ("folder.nii", lambda p: p.mkdir(), "cannot be read as NIfTI"),
    ("singular.nii.gz", flat_affine, "gives an axis of the voxels no direction"),
    ("text.nrrd", lambda p: p.write_text("hello"), "cannot be read as NRRD"),
    ("flat.nrrd", lambda p: nrrd.write(str(p), np.zeros((4, 5), np.int16)), "holds 4 x 5, which is no volume of 3"),
    ("series.nrrd", lambda p: nrrd.write(str(p), np.zeros((4, 5, 6, 7), np.int16)), "no volume of 3 dimensions"),
    ("nan.nrrd", lambda p: nrrd.write(str(p), np.full((2, 2, 2), np.nan)), "8 of its 8 values are NaN"),
    ("odd.nrrd", lambda p: nrrd.write(str(p), np.zeros((2, 2, 2)), {"space": "scanner-xyz"}), "'scanner-xyz' does not"),
]


@pytest.mark.parametrize("read", [read_image, read_mask])
@pytest.mark.parametrize(("name", "make", "says"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_volumes_are_named(tmp_path: Path, read: object, name: str, make: object, says: str) -> None:
    make(tmp_path / name)
    with pytest.raises(DataError, match=says) as error:
        read(f"{tmp_path / name}#axial-0")
    assert name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("part", "says"), [
    ("", "is a volume, and one slice is wanted; a slice is named as scan.nii.gz#axial-0"),
    ("7", "has no slice '7'"),
    ("axial-7", "has 7 axial slices, counted from 0, and none of number 7"),
    ("transverse-1", "has no slice 'transverse-1'"),
])  # fmt: skip
def test_slices_that_are_not_there(tmp_path: Path, part: str, says: str) -> None:
    file = nifti(tmp_path / "scan.nii.gz", coded())
    with pytest.raises(DataError, match=says.replace("(", r"\(")):
        read_image(str(Address(file, part)))


def test_numbers_may_be_padded_or_not(tmp_path: Path) -> None:
    file = nifti(tmp_path / "scan.nii.gz", np.zeros((3, 3, 120), np.uint8))
    assert parts_of(file)[7] == f"{file}#axial-007"
    assert (read_image(f"{file}#axial-7") == read_image(f"{file}#axial-007")).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("name", ["scan.nii", "scan.nrrd"])
def test_whatever_a_header_holds_is_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Some bytes of the header are replaced; what comes of it is a slice or one sentence, never a surprise."""
    whole = tmp_path / f"whole-{name}"
    if not whole.exists():
        directions = {"space": "LPS", "space directions": np.eye(3), "space origin": np.zeros(3)}
        write = nifti if name.endswith("nii") else lambda p, v: nrrd.write(str(p), v, {**directions, "encoding": "raw"})
        write(whole, coded())
    raw = bytearray(whole.read_bytes())
    header = 352 if name.endswith("nii") else raw.index(b"\n\n")
    for place in data.draw(st.lists(st.integers(0, header), min_size=1, max_size=6)):
        raw[place] = data.draw(st.sampled_from(b"\x00\x01\x7f\xff 0129-:,()eLnx\n"))
    (tmp_path / name).write_bytes(bytes(raw))
    try:
        addresses = parts_of(tmp_path / name)
        pixels = read_image(addresses[0])
    except DataError as error:
        assert name in str(error) and "\n" not in str(error)
    else:
        assert pixels.ndim == 3 and image_size(addresses[0]) == pixels.shape[:2]


# -- a file is read once ---------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose voxels were read, in order."""
    found: list[str] = []
    for reader in (volumes.volume_nifti, volumes.volume_nrrd):

        def counted(file: Path, own=reader.read_volume):
            found.append(file.name)
            return own(file)

        monkeypatch.setattr(reader, "read_volume", counted)
    monkeypatch.setattr(volumes, "_VOLUMES", Recent(volumes.BUDGET))
    return found


def test_many_threads_read_a_volume_once(tmp_path: Path, reads: list[str]) -> None:
    files = [nifti(tmp_path / f"{name}.nii.gz", coded()) for name in "ab"]
    addresses = [address for axis in AXES for file in files for address in parts_of(file, axis)]
    with ThreadPoolExecutor(8) as pool:
        pixels = list(pool.map(lambda address: read_image(address, 1), addresses * 3))
    assert sorted(reads) == ["a.nii.gz", "b.nii.gz"] and len(pixels) == 108


def test_a_damaged_volume_is_read_once_too(tmp_path: Path, reads: list[str]) -> None:
    with_nan(tmp_path / "nan.nii.gz")
    for address in parts_of(tmp_path / "nan.nii.gz"):
        with pytest.raises(DataError, match="NaN"):
            read_image(address)
    assert reads == ["nan.nii.gz"]


def test_a_file_that_changed_is_read_anew(tmp_path: Path, reads: list[str]) -> None:
    file = nifti(tmp_path / "scan.nii.gz", np.zeros((2, 2, 2), np.uint8))
    assert read_image(f"{file}#axial-0").max() == 0
    nifti(file, np.full((3, 2, 2), 9, np.uint8))
    assert read_image(f"{file}#axial-0").min() == 9 and image_size(f"{file}#axial-0") == (2, 3)
    assert len(reads) == 2


class Weighed(int):
    @property
    def nbytes(self) -> int:
        return int(self)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9)), max_size=30), st.integers(1, 20))
def test_memory_is_bounded(asked: list[tuple[int, int]], budget: int) -> None:
    sizes = dict(asked)
    recent = Recent(budget)
    for key, _ in asked:
        assert recent.get(key, lambda key=key: Weighed(sizes[key])) == sizes[key]
        assert recent.nbytes <= max(budget, sizes[key])


def test_what_was_used_last_is_kept() -> None:
    recent, made = Recent(2), []

    def ask(key: str) -> None:
        recent.get(key, lambda: made.append(key) or Weighed(1))

    for key in "abacab":
        ask(key)
    assert made == ["a", "b", "c", "b"]


def test_whoever_asks_for_another_value_does_not_wait() -> None:
    recent, started, go_on = Recent(9), threading.Event(), threading.Event()

    def slow() -> Weighed:
        started.set()
        assert go_on.wait(20)
        return Weighed(1)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(recent.get, "slow", slow)
        assert started.wait(20)
        assert recent.get("other", lambda: Weighed(2)) == 2 and not first.done()
        go_on.set()
        assert first.result(20) == 1


def test_a_surprise_is_not_kept() -> None:
    recent = Recent(9)
    with pytest.raises(ZeroDivisionError):
        recent.get("key", lambda: Weighed(1 // 0))
    assert recent.get("key", lambda: Weighed(3)) == 3


def test_as_many_volumes_at_once_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = nifti(tmp_path / "scan.nii.gz", np.zeros((10, 10, 10), np.int16))  # 2,000 bytes, with a mask 4,000
    monkeypatch.setattr(volumes, "BUDGET", 13_000)
    assert [volumes.at_once([file], workers) for workers in (1, 2, 16)] == [1, 2, 3]
    monkeypatch.setattr(volumes, "BUDGET", 100)
    assert volumes.at_once([file], 16) == 1
    assert volumes.at_once([tmp_path / "photo.png"], 16) == 16


def test_a_claim_of_very_many_slices_is_refused_before_they_are_counted(tmp_path: Path) -> None:
    head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 2000000000\nencoding: raw\n"
    (tmp_path / "a.nrrd").write_text(f"{head}\n0000")
    (tmp_path / "b.raw").write_bytes(b"0000")
    (tmp_path / "b.nhdr").write_text(f"{head}data file: b.raw\n")
    nib.Nifti2Image(np.zeros((1, 1, 4), np.uint8), np.eye(4)).to_filename(tmp_path / "c.nii")
    raw = bytearray((tmp_path / "c.nii").read_bytes())
    raw[40:48] = (2_000_000_000).to_bytes(8, "little")  # NIfTI-2: dim[3] begins at byte 40
    (tmp_path / "c.nii").write_bytes(raw)
    for name in ("a.nrrd", "b.nhdr", "c.nii"):
        with pytest.raises(DataError, match=rf"{name}: its header claims 2,000,000,000 bytes of voxels"):
            parts_of(tmp_path / name)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_a_packed_volume_of_nothing_is_no_false_claim(tmp_path: Path, encoding: str) -> None:
    nrrd.write(str(tmp_path / "empty.nrrd"), np.zeros((128, 128, 40), np.uint8), {"encoding": encoding})
    (first, *_) = parts_of(tmp_path / "empty.nrrd")
    assert not read_mask(first).any()
