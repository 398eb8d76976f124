"""From measured values to grey levels: a window's low end is black, its high end white, linear between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.window import WindowOption

Array = npt.NDArray[Any]

WHITE = 65535

_MANY = 1 << 16  # so many values are quicker looked up in a table of all values than worked out
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Window:
    """Values at and below ``low`` are black, at and above ``high`` white."""

    low: float
    high: float

    @classmethod
    def around(cls, centre: float, width: float) -> Window:
        """The window of a centre and a width (what DICOM PS3.3 C.11.2.1.3.2 calls LINEAR_EXACT)."""
        return cls(centre - width / 2, centre + width / 2)

    @classmethod
    def between(cls, values: Array, percentiles: tuple[float, float]) -> Window:
        """The window between two percentiles of ``values`` (any shape, finite, at least one).

        Where both are the same, as in a picture that is nearly all background, the lowest and the highest value.
        """
        codes = _codes(values)
        if codes is not None:
            return _of_counts(codes, values.dtype, percentiles)
        low, high = (float(value) for value in np.percentile(values, percentiles))
        return cls(low, high) if low < high else cls(float(values.min()), float(values.max()))

    def scaled(self, slope: float, intercept: float) -> Window:
        """The window of ``slope * value + intercept`` for what this one is of ``value``."""
        low, high = sorted((self.low * slope + intercept, self.high * slope + intercept))
        return Window(low, high)

    def apply(self, values: Array) -> npt.NDArray[np.uint16]:
        """Return ``values`` (any shape) as grey levels 0 to 65535; a window of no width takes what is above it."""
        codes = _codes(values)
        if codes is not None and values.size > _MANY:
            every = np.arange(1 << 8 * values.itemsize, dtype=codes.dtype).view(values.dtype)
            return np.asarray(self._ramp(every).take(codes))
        return self._ramp(values)

    def _ramp(self, values: Array) -> npt.NDArray[np.uint16]:
        if self.high > self.low:
            # With 32 bits, large values that lie close together would be the same.
            shares = (values.astype(np.float64) - self.low) * (1 / (self.high - self.low))
        else:
            shares = (values > self.high).astype(np.float64)
        return np.asarray(np.rint(np.clip(shares, 0, 1) * WHITE).astype(np.uint16))


@dataclass(frozen=True)
class Wish:
    """What the option ``window`` asks of a file; all as it is by default is ``auto``.

    Attributes
    ----------
    fixed : this window, in the units of the values.
    percentiles, own, full : as those of :class:`~medgraft.window.WindowOption`.
    """

    fixed: Window | None = None
    percentiles: tuple[float, float] | None = None
    own: int | str | None = None
    full: bool = False

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Read the option; raises ValueError, in one sentence, where it cannot be understood."""
        option = WindowOption.parse(text)
        fixed = Window.around(*option.centre_width) if option.centre_width else None
        return cls(fixed, option.percentiles, option.own, option.full)


def _codes(values: Array) -> Array | None:
    """The bits of integers of 8 or 16 bits, as numbers from 0; None for others."""
    if values.dtype.kind not in "iu" or values.itemsize > 2:
        return None
    return values.view(f"u{values.itemsize}")


def _of_counts(codes: Array, dtype: np.dtype[Any], percentiles: tuple[float, float]) -> Window:
    """Percentiles as numpy's, from how often each value occurs: a sixth of the time that sorting takes."""
    flat, counts = codes.ravel("K"), np.zeros(1 << 8 * codes.itemsize, np.int64)
    for start in range(0, len(flat), _CHUNK):
        counts += np.bincount(flat[start : start + _CHUNK], minlength=len(counts))
    values = np.arange(len(counts), dtype=codes.dtype).view(dtype)
    order = np.argsort(values)[counts[np.argsort(values)] > 0]
    present, last = values[order].astype(np.float64), np.cumsum(counts[order])

    def at(percentile: float) -> float:
        place = percentile / 100 * (last[-1] - 1)
        below, above = present[np.searchsorted(last, [np.floor(place), np.ceil(place)], side="right")]
        return float(below + (above - below) * (place - np.floor(place)))

    low, high = (at(percentile) for percentile in percentiles)
    return Window(low, high) if low < high else Window(float(present[0]), float(present[-1]))
