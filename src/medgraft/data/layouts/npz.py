"""An ``.npz`` file in the manner of MedMNIST: arrays of images and labels for train, val and test.

Yang et al., "MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image classification",
Scientific Data 10, 2023. Images are unpacked once, without loss, into the cache; no array of them is ever held whole.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib import format as npy
from PIL import Image

from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.label_values import Labels, flag_labels, single_labels
from medgraft.data.layouts.unpacking import Progress, in_silence, made_once
from medgraft.data.manifest import SPLITS, Manifest
from medgraft.errors import DataError, listing

_VERSION = 1
_SHAPES = "[images, height, width] or [images, height, width, 3] of uint8"


@dataclass(frozen=True)
class _Part:
    """One split of the file: its name, the shape of its images, and its labels ``[n, C]``."""

    split: str
    shape: tuple[int, ...]
    labels: npt.NDArray[np.int64]

    @property
    def member(self) -> str:
        """The name of the images within the archive."""
        return f"{self.split}_images.npy"

    @property
    def files(self) -> list[str]:
        """Names of the unpacked images, relative to the folder of all splits."""
        digits = max(5, len(str(self.shape[0] - 1)))
        return [f"{self.split}/{row:0{digits}d}.png" for row in range(self.shape[0])]


def read(path: Path, columns: Columns, order: Sequence[str] | None, progress: Progress = in_silence) -> Manifest:
    """Read the file, and unpack its images where that was not done before.

    Raises DataError for names, shapes and types that are none of MedMNIST's, and for a cache that cannot be written.
    """
    asked = [*filter(None, (columns.image, columns.mask, columns.group, columns.split)), *(columns.label or ())]
    if asked:
        raise DataError(f"{path}: an .npz file has no columns, and {listing(asked)} is asked for; leave that out.")
    with _reading(path), zipfile.ZipFile(path) as archive:
        parts = _parts(archive, path)
        folder = _unpacked(archive, parts, path, progress)
    names = [name for part in parts for name in part.files]
    labels = _labels(np.concatenate([part.labels for part in parts]), order, path)
    table = pd.DataFrame(
        {
            "id": [name.removesuffix(".png") for name in names],
            "image": [str(folder / name) for name in names],
            "target": labels.targets,
        }
    )
    counts = ", ".join(f"{part.shape[0]} {part.split}" for part in parts)
    if len(parts) > 1:
        table["split"] = [part.split for part in parts for _ in part.files]
    height, width = parts[0].shape[1:3]
    note = f"{path.name}: {len(table)} images of {height} x {width} pixels, {counts}; unpacked to {folder}"
    return Manifest(table, path, path.stem, (note, *labels.notes), labels.classes)


def _parts(archive: zipfile.ZipFile, path: Path) -> list[_Part]:
    """What is there of train, val and test, checked before anything is unpacked."""
    members = {name.removesuffix(".npy") for name in archive.namelist()}
    wanted = [split for split in SPLITS if {f"{split}_images", f"{split}_labels"} & members]
    absent = [f"{split}_{what}" for split in wanted or ["train"] for what in ("images", "labels")]
    absent = [name for name in absent if name not in members]
    if absent:
        raise DataError(
            f"{path}: no array {listing(absent)}; it has {listing(sorted(members))}. Wanted are train_images and "
            "train_labels, and the same for val and test."
        )
    parts = [_part(archive, split, path) for split in wanted]
    widths = {part.labels.shape[1] for part in parts}
    if len(widths) > 1:
        raise DataError(f"{path}: the splits have labels of different numbers of columns: {listing(sorted(widths))}.")
    filled = [part for part in parts if part.shape[0]]
    if not filled:
        raise DataError(f"{path}: its arrays hold no image.")
    return filled


def _part(archive: zipfile.ZipFile, split: str, path: Path) -> _Part:
    with archive.open(f"{split}_images.npy") as file:
        shape, dtype = _header(file, f"{split}_images", path)
    if dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (3,)) or 0 in shape[1:3]:
        raise DataError(f"{path}: {split}_images is {list(shape)} of {dtype}, and {_SHAPES} is wanted.")
    with archive.open(f"{split}_labels.npy") as file:
        size, dtype = _header(file, f"{split}_labels", path)
    if dtype.kind not in "iub" or len(size) not in (1, 2) or 0 in size[1:]:
        raise DataError(
            f"{path}: {split}_labels is {list(size)} of {dtype}, and [images], [images, 1] or, of 0 and 1, "
            "[images, classes] of whole numbers is wanted."
        )
    if size[0] != shape[0]:
        raise DataError(f"{path}: {split} has {shape[0]} images and {size[0]} labels.")
    with archive.open(f"{split}_labels.npy") as file:
        labels = npy.read_array(file, allow_pickle=False)
    return _Part(split, shape, labels.reshape(size[0], size[1] if len(size) == 2 else 1).astype(np.int64))


def _labels(labels: npt.NDArray[np.int64], order: Sequence[str] | None, path: Path) -> Labels:
    if labels.shape[1] == 1:
        return single_labels([str(label) for label in labels[:, 0]], order, path, f"{path.name}: the array of labels")
    strange = np.setdiff1d(labels, (0, 1))
    if len(strange):
        raise DataError(
            f"{path}: labels of several columns hold {listing(strange)}; with a column a class, 0 and 1 are wanted."
        )
    return flag_labels(labels, [str(number) for number in range(labels.shape[1])], order, path)


def _header(file: IO[bytes], name: str, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that begins at ``file``, which is left at its first value."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{path}: {name} is of the npy format {version}, which is not read; save it with numpy.savez.")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = read_header(file)
    if by_columns and len(shape) > 1:
        raise DataError(f"{path}: {name} is stored in Fortran order; save it as numpy.ascontiguousarray gives it.")
    return shape, dtype


def _unpacked(archive: zipfile.ZipFile, parts: Sequence[_Part], path: Path, progress: Progress) -> Path:
    """The folder of the images as PNG files; what was unpacked whole before is used again."""
    total = sum(part.shape[0] for part in parts)

    def unpack_all(folder: Path) -> list[str]:
        done = count()
        for part in parts:
            _unpack(archive, part, folder, path, lambda: progress("unpacking images", next(done) + 1, total))
        return []

    status = path.stat()
    key = [_VERSION, str(path), status.st_size, status.st_mtime_ns]
    return made_once("unpacked", key, unpack_all, f"the images of {path.name} cannot be unpacked")[0]


def _unpack(archive: zipfile.ZipFile, part: _Part, folder: Path, path: Path, one_done: Callable[[], None]) -> None:
    (folder / part.split).mkdir()
    size = int(np.prod(part.shape[1:]))
    with archive.open(part.member) as file:
        _header(file, part.member, path)
        for name in part.files:
            values = file.read(size)
            if len(values) < size:
                raise DataError(f"{path}: {part.member} ends before its last image; fetch or save it anew.")
            pixels = np.frombuffer(values, np.uint8).reshape(part.shape[1:])
            Image.fromarray(pixels).save(folder / name, compress_level=1)
            one_done()
        if file.read(1):  # reading to the end is also what makes zipfile compare the checksum
            raise DataError(f"{path}: {part.member} goes on behind its last image; fetch or save it anew.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged archive makes of itself into one error that names it."""
    try:
        yield
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as an .npz file ({error}); fetch or save it anew.") from error
