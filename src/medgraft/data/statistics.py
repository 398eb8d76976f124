"""Mean and standard deviation of each channel, exactly, in one pass over the pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.errors import DataError

# A sum of so many squares of 16-bit values stays below 2**53, so float64 adds them without rounding and BLAS
# can be used; totals are Python integers, which do not overflow.
_CHUNK = 2**18


class ChannelStatistics:
    """Running sums over pixels; the order and the size of the pieces do not change the result.

    Feed it with the training split only: statistics of other splits would leak into training.
    """

    def __init__(self) -> None:
        self._dtype: np.dtype[Any] | None = None
        self._sums: list[int] = []
        self._squares: list[int] = []
        self._count = 0

    def update(self, pixels: npt.NDArray[Any]) -> None:
        """Add pixels ``[..., C]``, uint8 or uint16; DataError for another type or number of channels."""
        if pixels.dtype not in (np.uint8, np.uint16):
            raise DataError(f"statistics are of uint8 or uint16 pixels, not of {pixels.dtype}.")
        self._agree(pixels.dtype, pixels.shape[-1])
        flat = pixels.reshape(-1, pixels.shape[-1])
        for start in range(0, len(flat), _CHUNK):
            chunk = flat[start : start + _CHUNK].astype(np.float64)
            self._add(chunk.sum(axis=0).tolist(), np.diagonal(chunk.T @ chunk).tolist(), len(chunk))

    def merge(self, other: ChannelStatistics) -> None:
        """Add the pixels that ``other`` has seen; raises DataError where type or channels differ."""
        if other._dtype is not None:
            self._agree(other._dtype, len(other._sums))
            self._add(other._sums, other._squares, other._count)

    @property
    def count(self) -> int:
        """Number of pixels seen."""
        return self._count

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean ``[C]`` of each channel as a share of the type's range (value / 255 or / 65535)."""
        scale = self._scale()
        return np.array([total / self._count / scale for total in self._sums])

    @property
    def std(self) -> npt.NDArray[np.float64]:
        """Standard deviation ``[C]`` (over all pixels, not n - 1), as a share of the type's range."""
        scale, n = self._scale(), self._count
        # The difference is taken between integers: nothing cancels, however small the spread.
        spread = [n * q - s * s for q, s in zip(self._squares, self._sums, strict=True)]
        return np.array([math.sqrt(value / n**2) / scale for value in spread])

    def _agree(self, dtype: np.dtype[Any], channels: int) -> None:
        if self._dtype is None:
            self._dtype = np.dtype(dtype)
            self._sums, self._squares = [0] * channels, [0] * channels
        if dtype != self._dtype or channels != len(self._sums):
            raise DataError(
                f"pixels of {channels} channels and type {dtype} among pixels of {len(self._sums)} channels "
                f"and type {self._dtype}; one data set has one depth and one number of channels."
            )

    def _add(self, sums: list[Any], squares: list[Any], count: int) -> None:
        self._sums = [a + int(b) for a, b in zip(self._sums, sums, strict=True)]
        self._squares = [a + int(b) for a, b in zip(self._squares, squares, strict=True)]
        self._count += count

    def _scale(self) -> int:
        if self._dtype is None or not self._count:
            raise DataError("no pixels were seen, so they have no mean; is the training split empty?")
        return int(np.iinfo(self._dtype).max)
