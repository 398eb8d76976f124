"""From stored values of a DICOM file to grey levels: modality, window, and what is white.

The order is that of PS3.4, N.2: stored values become those of the modality (a lookup table, or slope and intercept),
a window or lookup table says which of these are of interest, and MONOCHROME1 is turned round. All of it is done to the
values that occur, of which there are few, and then looked up for the pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medgraft.data.formats.dicom_file import Header
from medgraft.data.formats.window import Window
from medgraft.errors import DataError
from medgraft.window import AUTO_PERCENTILES, WindowOption

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_TABLE = 1 << 16


@dataclass(frozen=True)
class OwnWindow:
    """A window that a file names: from values of the modality to shares of white, 0 to 1."""

    name: str
    shares: Callable[[Floats], Floats]


def grey_levels(stored: Array, header: Header, frame: int, option: WindowOption) -> Array:
    """Turn stored values [H, W] into grey levels, uint8 where the file stores 8 bits or fewer, else uint16.

    0 is black and 255 or 65535 white. Raises DataError where the file has no window of that number or name, or its
    values are no numbers.
    """
    values, place = _distinct(stored)
    if not np.isfinite(values).all():
        raise DataError(f"{header.file}: holds values that are no numbers (NaN or infinite); save it without them.")
    measured = _measured(values, header, frame)
    shares = _shares(measured, values, place, header, frame, option)
    if header.photometric == "MONOCHROME1":
        shares = 1 - shares
    white, dtype = (255, np.uint8) if header.bits <= 8 else (65535, np.uint16)
    levels: Array = np.rint(shares * white).astype(dtype)
    return levels[place]


def own_windows(header: Header, frame: int) -> list[OwnWindow]:
    """The windows of a frame (from 0) in the order of the file: lookup tables, then centres with their widths."""
    scope = header.functional(frame, "FrameVOILUTSequence") or header.elements
    tables = [_table(item, header) for item in scope.get("VOILUTSequence") or []]
    centres, widths, names = (_several(scope, key) for key in ("WindowCenter", "WindowWidth", _EXPLANATION))
    names = names + [""] * len(centres)
    form = str(scope.get("VOILUTFunction") or "LINEAR").upper()
    ramps = [_curve(form, float(c), float(w), str(n), header) for c, w, n in zip(centres, widths, names, strict=False)]
    # Some scanners write a width of 0, which is no window.
    return tables + [window for window in ramps if window is not None]


_EXPLANATION = "WindowCenterWidthExplanation"


def _distinct(stored: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """The values that may occur, rising, and the place of each pixel's among them."""
    if stored.dtype.kind in "iub":
        low, high = int(stored.min()), int(stored.max())
        if high - low < _TABLE:
            return np.arange(low, high + 1), stored.astype(np.int64) - low
    values, place = np.unique(stored, return_inverse=True)
    return values, place.reshape(stored.shape)


def _measured(values: Array, header: Header, frame: int) -> Floats:
    """Values in the units of the modality (Hounsfield units, for CT)."""
    scope = header.functional(frame, "PixelValueTransformationSequence") or header.elements
    if scope.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        return np.asarray(apply_modality_lut(values, header.elements), np.float64)
    slope, intercept = scope.get("RescaleSlope"), scope.get("RescaleIntercept")
    if slope is None or intercept is None:
        return values.astype(np.float64)
    return values * float(slope) + float(intercept)


def _shares(
    measured: Floats, values: Array, place: npt.NDArray[np.int64], header: Header, frame: int, option: WindowOption
) -> Floats:
    if option.centre_width is not None:
        return _ramp(measured, Window.around(*option.centre_width))
    if option.full:
        return _ramp(measured, _full(values, header, frame))
    if option.percentiles is None:
        own = own_windows(header, frame)
        if option.own is not None:
            return _named(own, option.own, header).shares(measured)
        if own:
            return own[0].shares(measured)
        # Eight bits or fewer without a window are made to be shown as they are.
        if header.bits <= 8:
            return _ramp(measured, _full(values, header, frame))
    counts = np.bincount(place.ravel(), minlength=len(values))
    counts[_is_padding(values, header)] = 0
    return _ramp(measured, _between(measured, counts, option.percentiles or AUTO_PERCENTILES))


def _ramp(values: Floats, window: Window) -> Floats:
    """0 up to the window's low end, 1 from its high end, linear between."""
    if window.high <= window.low:
        return (values > window.high).astype(np.float64)
    return np.clip((values - window.low) / (window.high - window.low), 0, 1)


def _between(values: Floats, counts: npt.NDArray[np.int64], percentiles: tuple[float, float]) -> Window:
    """As :meth:`Window.between` of values that occur ``counts`` times; of none, a window that makes all black."""
    order = np.argsort(values, kind="stable")
    values, ends = values[order], np.cumsum(counts[order])
    if ends[-1] == 0:
        return Window(np.inf, np.inf)
    low, high = (_percentile(values, ends, percentile) for percentile in percentiles)
    there = values[np.diff(ends, prepend=0) > 0]
    return Window(low, high) if low < high else Window(float(there[0]), float(there[-1]))


def _percentile(values: Floats, ends: npt.NDArray[np.int64], percentile: float) -> float:
    """Linear between the two nearest of the sorted values, of which number ``i`` is there up to place ``ends[i]``."""
    position = (ends[-1] - 1) * percentile / 100
    below = np.floor(position)
    first, second = (values[np.searchsorted(ends, place, side="right")] for place in (below, np.ceil(position)))
    return float(first + (second - first) * (position - below))


def _full(values: Array, header: Header, frame: int) -> Window:
    """The window from the smallest to the largest value that the stored bits can hold; of fractions, that is there."""
    if header.bits > 32:
        ends = np.array([values[0], values[-1]])
    elif header.signed:
        ends = np.array([-(1 << (header.bits - 1)), (1 << (header.bits - 1)) - 1])
    else:
        ends = np.array([0, (1 << header.bits) - 1])
    low, high = sorted(_measured(ends, header, frame).tolist())
    return Window(low, high)


def _is_padding(values: Array, header: Header) -> npt.NDArray[np.bool_]:
    """Which stored values stand for no measurement (PixelPaddingValue, perhaps up to a range's other end)."""
    first = header.elements.get("PixelPaddingValue")
    if first is None:
        return np.zeros(len(values), bool)
    limit = header.elements.get("PixelPaddingRangeLimit")
    low, high = sorted((int(first), int(first if limit is None else limit)))
    return np.asarray((values >= low) & (values <= high))


def _named(own: list[OwnWindow], wanted: int | str, header: Header) -> OwnWindow:
    if isinstance(wanted, int):
        found = own[wanted - 1] if wanted <= len(own) else None
    else:
        found = next((window for window in own if window.name.casefold() == wanted.casefold()), None)
    if found is None:
        listed = ", ".join(f"{i} {window.name}".strip() for i, window in enumerate(own, start=1))
        has = f"the windows {listed}" if own else "no window of its own"
        raise DataError(
            f"{header.file}: has no window {wanted}, it has {has}; choose another with --window, such as percentile."
        )
    return found


def _curve(form: str, centre: float, width: float, name: str, header: Header) -> OwnWindow | None:
    """A window by centre and width (PS3.3, C.11.2.1.2 and C.11.2.1.3); None where the width is none."""
    if form == "LINEAR" and width >= 1:
        window = Window.around(centre - 0.5, width - 1)
        return OwnWindow(name, lambda values: _ramp(values, window))
    if form == "LINEAR_EXACT" and width > 0:
        exact = Window.around(centre, width)
        return OwnWindow(name, lambda values: _ramp(values, exact))
    if form == "SIGMOID" and width > 0:
        return OwnWindow(name, lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    if form not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise DataError(f"{header.file}: its window is of the unknown kind {form}; choose one with --window.")
    return None


def _table(item: Dataset, header: Header) -> OwnWindow:
    """A lookup table (PS3.3, C.11.2.1.1): entries for whole values from the first that it maps, ends beyond."""
    _, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if header.syntax.is_little_endian else ">u2")
    entries = np.atleast_1d(np.asarray(data, np.float64))
    white = max(float((1 << bits) - 1), float(entries.max()), 1.0)

    def shares(values: Floats) -> Floats:
        places = np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)
        return np.asarray(entries[places] / white)

    return OwnWindow(str(item.get("LUTExplanation") or ""), shares)


def _several(scope: Dataset, keyword: str) -> list[Any]:
    """The values of an element of one value or several, without what is empty."""
    value = scope.get(keyword)
    if value is None or value == "":
        return []
    many = list(value) if not isinstance(value, str) and hasattr(value, "__iter__") else [value]
    return [one for one in many if one is not None]
