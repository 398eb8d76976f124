"""Shapes over an image, and which of its pixels lie in them.

Coordinates are x (to the right) and y (downwards) in pixels, from the image's upper left corner; the pixel in row r
and column c covers the square from (c, r) to (c + 1, r + 1), and belongs to an outline where its centre
(c + 0.5, r + 0.5) lies inside. A centre that lies on an edge belongs to one of the two outlines that share the edge,
never to both and never to none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.uint8]


class Shape(Protocol):
    """Something that covers pixels of an image."""

    @property
    def area(self) -> float:
        """Pixels that it covers, beyond the image's border too; where outlines cross themselves, roughly."""

    def leaves(self, height: int, width: int) -> bool:
        """Whether it reaches beyond the border of an image of that size by a pixel or more."""

    def paint(self, mask: Mask, value: int) -> bool:
        """Set the pixels of ``mask`` ``[H, W]`` that it covers; returns whether there is any."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """One or several polygons; what lies in any of them is covered.

    Attributes
    ----------
    parts : the corners of each, ``[n, 2]`` (x, y). Within a polygon the even-odd rule holds.
    """

    parts: tuple[FloatArray, ...]

    @classmethod
    def box(cls, left: float, top: float, right: float, bottom: float) -> Outlines:
        """A filled rectangle."""
        return cls((np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64),))

    @property
    def area(self) -> float:
        """See :class:`Shape`; by the shoelace formula."""
        return sum(abs(_twice_the_area(part)) for part in self.parts) / 2

    def leaves(self, height: int, width: int) -> bool:
        """See :class:`Shape`."""
        corners = np.concatenate(self.parts)
        low, high = corners.min(axis=0), corners.max(axis=0)
        return bool((low <= -1).any() or high[0] >= width + 1 or high[1] >= height + 1)

    def paint(self, mask: Mask, value: int) -> bool:
        """See :class:`Shape`."""
        return sum(_fill(part, mask, value) for part in self.parts) > 0


@dataclass(frozen=True, eq=False)
class Runs:
    """Pixels in run lengths, column by column, as COCO's RLE has them.

    Attributes
    ----------
    counts : ``[n]``, lengths of runs by turns outside and inside; the first one is outside, and may be 0.
    """

    counts: IntArray

    @property
    def area(self) -> float:
        """See :class:`Shape`."""
        return float(self.counts[1::2].sum())

    def leaves(self, height: int, width: int) -> bool:
        """Never: run lengths have no place for pixels outside the image."""
        return False

    def paint(self, mask: Mask, value: int) -> bool:
        """See :class:`Shape`; raises ValueError where the runs are not as many pixels as ``mask`` has."""
        height = mask.shape[0]
        if int(self.counts.sum()) != mask.size:
            raise ValueError(f"its runs are {int(self.counts.sum())} pixels, and the image has {mask.size}")
        ends = np.cumsum(self.counts)
        inside = np.flatnonzero(self.counts[1::2]) * 2 + 1
        if not len(inside):
            return False
        # Only the columns between the first and the last pixel are written out.
        first, last = int(ends[inside[0] - 1]) // height, (int(ends[inside[-1]]) - 1) // height
        edges = np.clip(np.concatenate([[0], ends]), first * height, (last + 1) * height)
        covered = np.repeat(np.arange(len(self.counts)) % 2 == 1, np.diff(edges))
        mask[:, first : last + 1][covered.reshape(-1, height).T] = value
        return True


def unpacked_runs(text: str) -> IntArray:
    """Return the run lengths ``[n]`` of COCO's compressed form.

    A number is written in groups of 5 bits, the lowest first, each a character from 48 on; the 6th bit says that
    another group follows, and the highest bit of the last group is the sign. From the fourth number on, what is
    written is the difference to the number before the last (pycocotools, maskApi.c). Raises ValueError for a text
    that is none of this.
    """
    groups = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if len(groups) == 0 or (groups < 0).any() or (groups > 63).any() or groups[-1] & 32:
        raise ValueError("its counts are not COCO's compressed run lengths")
    ends = np.flatnonzero((groups & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 12:
        raise ValueError("its counts hold a number beyond all images")
    place = np.arange(len(groups)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((groups & 31) << (5 * place), starts)
    numbers -= np.where(groups[ends] & 16, np.int64(1) << (5 * lengths), 0)
    for chain in (slice(1, None, 2), slice(2, None, 2)):
        numbers[chain] = np.cumsum(numbers[chain])
    return numbers


def _fill(corners: FloatArray, mask: Mask, value: int) -> bool:
    """Set the pixels whose centre lies in the polygon; whether there is any."""
    height, width = mask.shape
    (left, top), (right, bottom) = (_first_centre(edge(axis=0), (width, height)) for edge in (corners.min, corners.max))
    if left >= right or top >= bottom:
        return False
    rows, columns = _crossings(corners, int(top), int(bottom))
    # From each place where the border crosses a row, what was outside is inside, up to the next one.
    turns = np.zeros((bottom - top, right - left + 1), np.uint8)
    np.bitwise_xor.at(turns, (rows - top, np.clip(columns, left, right) - left), np.uint8(1))
    inside = np.bitwise_xor.accumulate(turns, axis=1)[:, :-1].view(np.bool_)
    mask[top:bottom, left:right][inside] = value
    return bool(inside.any())


def _crossings(corners: FloatArray, top: int, bottom: int) -> tuple[IntArray, IntArray]:
    """Where the border crosses the centre lines of the rows from ``top`` to before ``bottom``: row and column.

    The column is the first one whose centre lies at the crossing or to its right.
    """
    following = np.roll(corners, -1, axis=0)
    # Always from above to below, so that an edge that two outlines share gives both the same crossings.
    down = (corners[:, 1] <= following[:, 1])[:, None]
    (x, y), (x_end, y_end) = np.where(down, corners, following).T, np.where(down, following, corners).T
    first, last = (np.clip(_first_centre(value, None), top, bottom) for value in (y, y_end))
    spans = last - first
    edge = np.repeat(np.arange(len(corners)), spans)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans) + first[edge]
    # Multiplied first: an edge that runs through a centre then does so exactly, where its corners are round numbers.
    across = (row + 0.5 - y[edge]) * (x_end - x)[edge] / (y_end - y)[edge]
    return row, _first_centre(x[edge] + across, None)


def _first_centre(value: Any, limit: tuple[int, int] | None) -> IntArray:
    """Index of the first pixel whose centre lies at ``value`` or beyond it, at least 0 and at most ``limit``."""
    index = np.ceil(np.asarray(value, np.float64) - 0.5)
    return np.asarray(index if limit is None else np.clip(index, 0, limit), np.int64)


def _twice_the_area(corners: FloatArray) -> float:
    x, y = (corners - corners[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
