"""Volumes (NIfTI, NRRD) as pictures and masks: each file is read once while its slices are asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from medgraft.data.formats import raster, volume_nifti, volume_nrrd
from medgraft.data.formats.address import Address, ending_of
from medgraft.data.formats.volume import Array, Axis, Space, Volume
from medgraft.data.formats.volume_cache import Recent
from medgraft.data.formats.window import WHITE, Window, Wish
from medgraft.errors import DataError

SUFFIXES = (*volume_nifti.ENDINGS, *volume_nrrd.ENDINGS)

BUDGET = 1 << 30
"""Bytes of voxels that are kept in memory, besides those that are being looked at."""

_VOLUMES, _WINDOWS = Recent(BUDGET), Recent(1 << 16)
_APART = 0.5


@dataclass(frozen=True)
class _Found:
    """A window, of a size that lets some thousands be kept."""

    window: Window
    nbytes: int = 16


class VolumeFormat:
    """The family of volumes among the formats (:class:`medgraft.data.formats.reading.Format`)."""

    suffixes: tuple[str, ...] = SUFFIXES

    def recognises(self, file: Path) -> bool:
        """Whether the name ends like a volume's."""
        return is_volume(file)

    def parts(self, file: Path) -> list[str]:
        """The axial slices."""
        return slices(file, "axial")

    def read_image(self, address: Address, channels: int, at_least: int | None, window: str) -> Array:
        """A slice ``[H, W, channels]``: uint8 as stored where no window is asked for, else uint16 by the window."""
        key, volume = _volume(address.file)
        wish = Wish.parse(window)
        if volume.space.coloured or (volume.ready and wish == Wish()):
            pixels = volume.plane(address.part)
        else:
            found = _WINDOWS.get((key, wish), lambda: _Found(volume.window(wish)))
            pixels = volume.grey_levels(address.part, found.window)
        return np.require(raster.with_channels(pixels, channels), requirements=["C", "W"])

    def read_mask(self, address: Address) -> Array:
        """A slice ``[H, W]`` of whole numbers; raises DataError where they are none."""
        _, volume = _volume(address.file)
        plane = volume.plane(address.part)
        values = raster.single_channel(plane, address.file) if volume.space.coloured else volume.values(address.part)
        return _whole_numbers(values, address)

    def size(self, address: Address) -> tuple[int, int]:
        """Height and width of a slice."""
        return space_of(address.file).size(address.part)


def is_volume(file: Path) -> bool:
    """Whether the name of a file ends as a volume's does."""
    return ending_of(file) in SUFFIXES


def slices(file: Path, axis: Axis) -> list[str]:
    """The names of all slices of a file along ``axis``, from its header alone; raises DataError as reading does."""
    return space_of(file).parts(axis)


def space_of(file: Path) -> Space:
    """Where the voxels of a file lie, from its header alone; raises DataError where that cannot be read."""
    return _space(file, _state(file))


def at_once(files: Iterable[Path], workers: int) -> int:
    """How many volumes, with a mask each, ``workers`` threads may read at once within :data:`BUDGET`; at least one."""
    largest = max((_nbytes(file) for file in files if is_volume(file)), default=0)
    return max(1, min(workers, BUDGET // (2 * largest))) if largest else workers


def _nbytes(file: Path) -> int:
    try:
        return space_of(file).nbytes
    except DataError:  # said where its voxels are read
        return 0


def refuse_apart(image: Path, mask: Path) -> None:
    """Raise DataError where two volumes have not the same voxels: another number of them, or in other places."""
    ours, theirs = space_of(image), space_of(mask)
    if ours.extent != theirs.extent:
        raise DataError(
            f"{image} has {_sides(ours)} voxels (right x front x head) and its mask {mask} has {_sides(theirs)}; a "
            "mask must have its image's voxels, so resample it, draw it anew or take the pair out."
        )
    distance = float(np.linalg.norm(ours.corners - theirs.corners, axis=1).max())
    voxel = float(np.linalg.norm(ours.affine[:3, :3], axis=0).min())
    if distance > _APART * voxel:
        raise DataError(
            f"{image} (stored {ours.codes}) and its mask {mask} (stored {theirs.codes}) lie {distance:.1f} mm apart by "
            "their headers, so a voxel of one is not that of the other. Resample the mask onto its image; or, where "
            "only its header is wrong, save its voxels again with the header of the image."
        )


def _sides(space: Space) -> str:
    return " x ".join(map(str, space.extent))


def _state(file: Path) -> tuple[int, int]:
    """What changes with the file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        raise DataError(f"{file}: no such file.") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be opened ({error.strerror}).") from None
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _space(file: Path, state: tuple[int, int]) -> Space:
    read = volume_nrrd.read_space if ending_of(file) in volume_nrrd.ENDINGS else volume_nifti.read_space
    return read(file)


def _volume(file: Path) -> tuple[Hashable, Volume]:
    key = (file, *_state(file))
    read = volume_nrrd.read_volume if ending_of(file) in volume_nrrd.ENDINGS else volume_nifti.read_volume
    return key, _VOLUMES.get(key, lambda: read(file))


def _whole_numbers(values: Array, address: Address) -> Array:
    """The values as the least integers that hold them."""
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        if (rounded != values).any():
            example = float(values[rounded != values][0])
            raise DataError(
                f"{address}: holds {example:g}, and the values of a mask are whole numbers, one for each class; "
                "save the labels, not probabilities or an interpolated copy."
            )
        values = rounded.astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > WHITE):
        return values.astype(np.int64)
    return np.array(values, np.uint8 if values.max(initial=0) <= 255 else np.uint16, order="C")
