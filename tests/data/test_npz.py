"""Arrays of images and labels in one .npz file, in the manner of MedMNIST."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgraft.data.layouts import npz, open_data
from medgraft.errors import DataError

RNG = np.random.default_rng(0)
SIZES = {"train": 12, "val": 3, "test": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unpacked"


def arrays(shape: tuple[int, ...] = (5, 6, 3), **changed: Any) -> dict[str, np.ndarray]:
    found = {f"{split}_images": RNG.integers(0, 256, (n, *shape), np.uint8) for split, n in SIZES.items()}
    found |= {f"{split}_labels": (np.arange(n) % 3).astype(np.uint8)[:, None] for split, n in SIZES.items()}
    return {name: array for name, array in (found | changed).items() if array is not None}


def saved(path: Path, found: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, **found)
    return path


@pytest.mark.parametrize("shape", [(5, 6, 3), (5, 6)])
def test_images_are_unpacked_without_loss(tmp_path: Path, shape: tuple[int, ...]) -> None:
    found = arrays(shape)
    data = open_data(saved(tmp_path / "tinymnist.npz", found))
    assert data.name == "tinymnist" and data.split_counts() == SIZES
    for split in SIZES:
        part = {"train": data.train, "val": data.val, "test": data.test}[split]
        assert part.table["id"].tolist() == [f"{split}/{i:05d}" for i in range(SIZES[split])]
        read = np.stack([np.asarray(Image.open(path)) for path in part.table["image"]])
        assert read.dtype == np.uint8 and (read == found[f"{split}_images"]).all()
        assert part.labels.tolist() == found[f"{split}_labels"][:, 0].tolist()
    assert data.notes[0].startswith("tinymnist.npz: 19 images of 5 x 6 pixels, 12 train, 3 val, 4 test; unpacked to ")
    assert data.notes[1] == "classes in order: 0, 1, 2"


def test_class_numbers_are_in_numerical_order(tmp_path: Path) -> None:
    labels = np.array([10, 9, 2, 10, 9, 2, 10, 9, 2, 10, 9, 2])
    data = open_data(saved(tmp_path / "a.npz", arrays(train_labels=labels)))
    assert data.classes is not None and data.classes.names == ("0", "1", "2", "9", "10")
    assert data.train.labels.tolist() == [4, 3, 2] * 4


def test_several_columns_of_labels(tmp_path: Path) -> None:
    changed = {f"{split}_labels": RNG.integers(0, 2, (n, 14)) for split, n in SIZES.items()}
    data = open_data(saved(tmp_path / "chest.npz", arrays(**changed)))
    assert data.classes is not None and data.classes.kind == "multilabel"
    assert data.classes.names == tuple(map(str, range(14)))
    assert (data.val.labels == changed["val_labels"]).all()


def test_one_split_alone_is_left_to_be_divided(tmp_path: Path) -> None:
    others = {f"{split}_{what}": None for split in ("val", "test") for what in ("images", "labels")}
    assert not open_data(saved(tmp_path / "a.npz", arrays(**others))).has_split
    empty = {name: np.zeros((0, 5, 6, 3) if "images" in name else (0, 1), np.uint8) for name in others}
    assert not open_data(saved(tmp_path / "b.npz", arrays(**empty))).has_split


def test_an_order_of_classes(tmp_path: Path) -> None:
    data = open_data(saved(tmp_path / "a.npz", arrays()), classes=("2", "0", "1"))
    assert data.train.labels[:3].tolist() == [1, 2, 0]


def test_what_is_unpacked_is_used_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.npz", arrays())
    first = open_data(path)
    monkeypatch.setattr(npz, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert open_data(path).table["image"].tolist() == first.table["image"].tolist()
    assert len(list(cache.iterdir())) == 1


def test_a_changed_file_is_unpacked_anew(tmp_path: Path) -> None:
    """Of the same size and under the same name, so that its date alone tells."""
    path, changed = tmp_path / "a.npz", arrays()
    np.savez(path, **arrays())
    before, size = open_data(path), path.stat().st_size
    np.savez(path, **changed)
    os.utime(path, ns=(1, 1))
    assert path.stat().st_size == size
    after = open_data(path)
    assert Path(after.table["image"][0]).parent != Path(before.table["image"][0]).parent
    assert (np.asarray(Image.open(after.table["image"][0])) == changed["train_images"][0]).all()


def test_an_unpacking_that_was_broken_off_is_never_taken_for_a_whole_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = saved(tmp_path / "a.npz", arrays()), npz._unpack

    def killed(archive: zipfile.ZipFile, part: Any, folder: Path, where: Path, one_done: Any) -> None:
        if part.split == "val":
            raise KeyboardInterrupt
        whole(archive, part, folder, where, one_done)

    monkeypatch.setattr(npz, "_unpack", killed)
    with pytest.raises(KeyboardInterrupt):
        open_data(path)
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(npz, "_unpack", whole)
    assert len(open_data(path)) == 19


@pytest.mark.parametrize("damage", ["emptied", "removed", "no index"])
def test_a_damaged_unpacking_is_made_anew(tmp_path: Path, damage: str) -> None:
    found = arrays()
    path = saved(tmp_path / "a.npz", found)
    file = Path(open_data(path).table["image"][5])
    if damage == "emptied":
        file.write_bytes(b"")
    elif damage == "removed":
        file.unlink()
    else:
        (file.parents[1] / "index.json").unlink()
    again = Path(open_data(path).table["image"][5])
    assert again == file and (np.asarray(Image.open(again)) == found["train_images"][5]).all()


def test_no_more_than_a_few_images_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        values = read(self, n)
        asked.append(len(values))
        return values

    path = saved(tmp_path / "a.npz", arrays((64, 64, 3)))
    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    open_data(path)
    assert asked and max(asked) == 64 * 64 * 3


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"train_labels": None}, "no array train_labels; it has test_images, test_labels, train_images"),
        ({"val_images": None}, "no array val_images; it has"),
        ({"train_images": np.zeros((12, 5, 6, 3), np.float32)}, r"train_images is \[12, 5, 6, 3\] of float32, and"),
        ({"train_images": np.zeros((12, 4, 4, 4), np.uint8)}, r"train_images is \[12, 4, 4, 4\] of uint8, and"),
        ({"train_images": np.zeros((12, 4), np.uint8)}, r"train_images is \[12, 4\] of uint8, and"),
        ({"train_images": np.zeros((12, 0, 4), np.uint8)}, r"train_images is \[12, 0, 4\] of uint8, and"),
        ({"train_images": np.zeros((12, 4, 5), np.uint8, order="F")}, "train_images is stored in Fortran order"),
        ({"train_images": np.array([None] * 12)}, r"train_images is \[12\] of object, and"),
        ({"train_labels": np.array([None] * 12)}, r"train_labels is \[12\] of object, and"),
        ({"train_labels": np.zeros(12)}, r"train_labels is \[12\] of float64, and"),
        ({"train_labels": np.zeros((12, 1, 1), np.uint8)}, r"train_labels is \[12, 1, 1\] of uint8, and"),
        ({"train_labels": np.zeros((11, 1), np.uint8)}, "train has 12 images and 11 labels"),
        ({"val_labels": np.zeros((3, 2), np.uint8)}, "labels of different numbers of columns: 1, 2"),
        ({f"{s}_labels": np.full((n, 2), 2) for s, n in SIZES.items()}, "labels of several columns hold 2; with a"),
        ({f"{s}_labels": np.zeros(n, int) for s, n in SIZES.items()}, r"there is one class \(0\)"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, cache: Path, changed: dict[str, Any], says: str) -> None:
    path = saved(tmp_path / "a.npz", arrays(**changed))
    with pytest.raises(DataError, match=rf"a\.npz: .*{says}"):
        open_data(path)


def test_no_arrays_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no array train_images, train_labels; it has x, y\. Wanted are train_images"):
        open_data(saved(tmp_path / "a.npz", {"x": np.zeros(3), "y": np.zeros(3)}))
    empty = {"train_images": np.zeros((0, 2, 2), np.uint8), "train_labels": np.zeros((0, 1), np.uint8)}
    with pytest.raises(DataError, match="its arrays hold no image"):
        open_data(saved(tmp_path / "b.npz", empty))


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", arrays())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as an \.npz file"):
        open_data(path)


@pytest.mark.parametrize("size", [100, -100])
def test_an_array_shorter_or_longer_than_it_says(tmp_path: Path, cache: Path, size: int) -> None:
    found = arrays()
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in found.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            values = buffer.getvalue()
            if name == "val_images":
                values = values + bytes(size) if size > 0 else values[:size]
            archive.writestr(f"{name}.npy", values)
    with pytest.raises(DataError, match=r"val_images.npy (goes on behind|ends before) its last image"):
        open_data(path)
    assert list(cache.iterdir()) == []


def test_flipped_bits_are_seen(tmp_path: Path, cache: Path) -> None:
    """A stored (not compressed) member is read as it lies there, so its checksum alone tells."""
    found, path = arrays((64, 64)), tmp_path / "a.npz"
    np.savez(path, **found)
    values = bytearray(path.read_bytes())
    values[values.index(found["train_images"][7].tobytes())] ^= 1
    path.write_bytes(values)
    with pytest.raises(DataError, match=r"cannot be read as an \.npz file.*CRC"):
        open_data(path)
    assert list(cache.iterdir()) == []


def test_wishes_for_columns_or_masks_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", arrays())
    with pytest.raises(DataError, match="has no columns, and patient is asked for"):
        open_data(path, group="patient")
    with pytest.raises(DataError, match="read for its labels, and masks are asked for"):
        open_data(path, task="segmentation")


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"images of a\.npz cannot be unpacked there .*MEDGRAFT_CACHE"):
        open_data(saved(tmp_path / "a.npz", arrays()))
