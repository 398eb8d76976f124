"""A volume as a pile of pictures along a chosen axis, seen as radiologists look at them.

Whatever order the voxels are stored in, they are seen along the axes of the patient that they lie closest to; oblique
ones are not interpolated. Slices are counted from 0, at the patient's feet (axial), back (coronal) or left side
(sagittal). On a picture

- an axial slice has the patient's front above and the patient's right on the left, as if seen from the feet;
- a coronal slice has the head above and the patient's right on the left, as if the patient faced the viewer;
- a sagittal slice has the head above and the front on the left.

A pixel of the picture is a voxel: spacing between voxels is not made up for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from medgraft.data.formats.window import Window, Wish
from medgraft.errors import DataError
from medgraft.window import AUTO_PERCENTILES

Array = npt.NDArray[Any]
Axis = Literal["axial", "coronal", "sagittal"]

AXES: tuple[Axis, ...] = get_args(Axis)

_ACROSS = {"axial": 2, "coronal": 1, "sagittal": 0}
_PART = re.compile(rf"({'|'.join(AXES)})-(\d+)")


@dataclass(frozen=True, eq=False)
class Space:
    """Where the voxels of a file lie, known from its header alone.

    Attributes
    ----------
    file : the file.
    shape : voxels along each of the three stored axes.
    affine : [4, 4] from voxel numbers (of their centres) to mm towards the patient's right, front and head (RAS+).
    nbytes : bytes that the voxels take in memory.
    coloured : whether a voxel is a colour.
    """

    file: Path
    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    nbytes: int = 0
    coloured: bool = False

    @cached_property
    def orientation(self) -> npt.NDArray[np.float64]:
        """[3, 2] for each stored axis: the axis of the patient it lies closest to, and 1 or -1 for its direction.

        Raises DataError where an axis has no direction.
        """
        from nibabel.orientations import io_orientation

        try:
            found = io_orientation(self.affine)
        except (ValueError, np.linalg.LinAlgError):
            found = np.full((3, 2), np.nan)
        if not np.isfinite(found).all():
            raise DataError(
                f"{self.file}: its header gives an axis of the voxels no direction (its orientation matrix is "
                f"{np.round(self.affine[:3, :3], 3).tolist()}); save it with a whole affine matrix."
            )
        return np.asarray(found)

    @property
    def codes(self) -> str:
        """Where the stored axes point to, as in ``LPS``."""
        ends = ("LR", "PA", "IS")
        return "".join(ends[int(axis)][int(way > 0)] for axis, way in self.orientation)

    @cached_property
    def extent(self) -> tuple[int, int, int]:
        """Voxels from left to right, from back to front, from feet to head."""
        counts = dict(zip(self.orientation[:, 0].astype(int).tolist(), self.shape, strict=True))
        return counts[0], counts[1], counts[2]

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """[2, 3] mm: centres of the first and of the last voxel along the axes of the patient."""
        ways = self.orientation[:, 1]
        last = np.array(self.shape) - 1
        first = np.where(ways > 0, 0, last)
        ends = np.stack([first, last - first])
        return np.asarray(ends @ self.affine[:3, :3].T + self.affine[:3, 3])

    def parts(self, axis: Axis) -> list[str]:
        """The names of all slices along ``axis``: ``axial-000``, ``axial-001``, ..."""
        count = self.extent[_ACROSS[axis]]
        return [f"{axis}-{number:0{len(str(count - 1))}d}" for number in range(count)]

    def size(self, part: str) -> tuple[int, int]:
        """Height and width of the picture of a slice."""
        axis, _ = self.place(part)
        width, height = (n for place, n in enumerate(self.extent) if place != _ACROSS[axis])
        return height, width

    def place(self, part: str) -> tuple[Axis, int]:
        """The axis and the number that a part's name stands for; DataError where there is no such slice."""
        match = _PART.fullmatch(part)
        if match is None:
            given = f"has no slice {part!r}" if part else "is a volume, and one slice is wanted"
            raise DataError(
                f"{self.file}: {given}; a slice is named as {self.file.name}#axial-0 (or coronal, sagittal)."
            )
        axis = next(axis for axis in AXES if axis == match[1])
        number, count = int(match[2]), self.extent[_ACROSS[axis]]
        if number >= count:
            raise DataError(f"{self.file}: has {count} {axis} slices, counted from 0, and none of number {number}.")
        return axis, number


@dataclass(frozen=True, eq=False)
class Volume:
    """The values of a file's voxels.

    Attributes
    ----------
    space : where they lie.
    voxels : as stored, ``[I, J, K]``, or ``[I, J, K, 3]`` uint8 in colour.
    slope, intercept : a value is ``slope * stored + intercept``.
    """

    space: Space
    voxels: Array
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels."""
        return self.voxels.nbytes

    @property
    def scaled(self) -> bool:
        """Whether values differ from what is stored."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def ready(self) -> bool:
        """Whether what is stored can be looked at as it is: bytes that are no code for other values."""
        return self.voxels.dtype == np.uint8 and not self.scaled

    def plane(self, part: str) -> Array:
        """The stored values of a slice as its picture lies: ``[H, W]``, or ``[H, W, 3]`` in colour; a view."""
        axis, number = self.space.place(part)
        orientation = self.space.orientation
        order = np.argsort(orientation[:, 0]).tolist()
        seen = self.voxels.transpose([*order, *range(3, self.voxels.ndim)])
        chosen: list[int | slice] = [slice(None, None, int(orientation[place, 1])) for place in order]
        across = _ACROSS[axis]
        chosen[across] = number if orientation[order[across], 1] > 0 else seen.shape[across] - 1 - number
        flat = seen[tuple(chosen)]
        # Now [x, y] with both growing towards right, front or head, whichever two are left; a picture's rows go down
        # and its columns towards the patient's left, or, on sagittal slices, back.
        return flat[::-1, ::-1].swapaxes(0, 1)

    def values(self, part: str) -> Array:
        """The values of a slice, ``[H, W]``; float32 or float64 where they are scaled."""
        plane = self.plane(part)
        if not self.scaled:
            return plane
        exact: type[np.floating[Any]] = np.float32 if plane.dtype.itemsize <= 2 else np.float64
        return np.asarray(plane.astype(exact) * self.slope + self.intercept)

    def grey_levels(self, part: str, window: Window) -> npt.NDArray[np.uint16]:
        """A slice through a window, ``[H, W]`` from 0 to 65535."""
        if self.slope > 0:
            return window.scaled(1 / self.slope, -self.intercept / self.slope).apply(self.plane(part))
        return window.apply(self.values(part))

    def window(self, wish: Wish) -> Window:
        """The window that is asked for; percentiles are those of all voxels, so that slices can be compared.

        Raises DataError where one is asked for that only a DICOM file has.
        """
        if wish.own is not None:
            raise DataError(
                f"{self.space.file}: has no windows of its own, and {wish.own} is asked for; name one by its centre "
                "and width (--window 40/400), or take auto."
            )
        if wish.fixed is not None:
            return wish.fixed
        percentiles = (0.0, 100.0) if wish.full else wish.percentiles or AUTO_PERCENTILES
        return Window.between(self.voxels, percentiles).scaled(self.slope, self.intercept)
