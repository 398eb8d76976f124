"""The figures of pictures, at a small part of the cost of decoding them.

What needs all pixels is done picture by picture (:func:`glance`), and leaves little; the rest is done for many at once
(:func:`measure`), since a call costs as much for one small array as for a few dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.digest import pixel_digest
from medgraft.audit.facts import LAYOUT, Floats, ImageFacts
from medgraft.audit.hashing import SIDE, perceptual_hashes
from medgraft.audit.picture import is_grey
from medgraft.audit.reduce import averaged
from medgraft.audit.text_regions import text_features
from medgraft.data.formats.raster import Stored

PERCENTILES = (1, 25, 50, 75, 99)
_SHARES = np.array(PERCENTILES) / 100

_ROWS = 32
"""Rows of a picture that its brightness is measured on, evenly spread."""
_DIGESTED = 8
"""One row in so many is in the first digest; where two images share it, all pixels decide (see the scan)."""
_SAMPLES = 64
"""Pixels of an edge that are looked at."""
_DARK = 5 / 255
"""What counts as black at an edge."""
_BINS = 1 << 12
"""Of the histogram of pictures of more than 8 bits."""

Grey = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What is kept of a picture's pixels.

    Attributes
    ----------
    about : the facts that are final: size, format, digest and the like.
    cells : [SIDE, SIDE], means of the luminance, 0 to 255.
    lines : [4, 64], pixels of the outermost rows and columns, 0 to 1.
    levels : [5], percentiles of the luminance in some rows, 0 to 1.
    deep : whether there were more than 8 bits.
    """

    about: dict[str, Any]
    cells: Floats
    lines: Floats
    levels: Floats
    deep: bool


def glance(picture: Stored, grey: Grey, size: int) -> Glance:
    """Look at all pixels of a picture.

    Parameters
    ----------
    picture : pixels as [H, W, 1 or 3].
    grey : [H, W], its luminance.
    size : of its file, in bytes.
    """
    pixels = picture.pixels
    top = int(np.iinfo(pixels.dtype).max)
    low, high, *_ = cv2.minMaxLoc(pixels.reshape(len(pixels), -1))
    step = max(1, len(pixels) // _ROWS)
    rows = slice(step // 2, None, step)
    mean, std = cv2.meanStdDev(pixels[rows])
    bins = 256 if top == 255 else _BINS
    reached = np.cumsum(cv2.calcHist([grey[rows]], [0], None, [bins], [0, top + 1]).ravel(), dtype=np.float64)
    colourless = is_grey(pixels)
    levels = np.searchsorted(reached, _SHARES * reached[-1]) * (1 / (bins - 1))
    about = {
        "format": picture.format,
        "bytes": size,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": picture.channels,
        "bits": picture.bits,
        "grey": colourless,
        # The same for grey levels that were stored once and for those stored in three equal channels.
        "digest": pixel_digest((grey if colourless else pixels)[::_DIGESTED]),
        "low": low / top,
        "high": high / top,
        "mean": _three(mean, top),
        "std": _three(std, top),
        "black": float(reached[0] / reached[-1]),
        "white": float(1 - reached[-2] / reached[-1]),
        "text": text_features(grey if top == 255 else (grey >> 8).astype(np.uint8)),
    }
    cells = averaged(grey, SIDE) * np.float32(255 / top)
    return Glance(about, cells, _lines(grey, top), levels, top > 255)


def measure(glances: Sequence[Glance]) -> list[ImageFacts]:
    """Return the facts of each picture that was glanced at."""
    if not glances:
        return []
    cells = np.stack([seen.cells for seen in glances])
    deep = np.array([seen.deep for seen in glances])
    hashes = perceptual_hashes(np.where(deep[:, None, None], _stretched(cells), cells) if deep.any() else cells)
    layouts = np.rint(cells.reshape(-1, LAYOUT, SIDE // LAYOUT, LAYOUT, SIDE // LAYOUT).mean(axis=(2, 4)))
    layouts = layouts.astype(np.uint8).reshape(len(glances), -1)
    lines = np.stack([seen.lines for seen in glances])
    edges = np.stack([lines.mean(axis=2), lines.std(axis=2), (lines <= _DARK).mean(axis=2)], axis=2)
    edges = edges.reshape(len(glances), -1).astype(np.float32)
    levels = np.stack([seen.levels for seen in glances])
    return [
        ImageFacts(**seen.about, hash=hashes[row], layout=layouts[row], edges=edges[row], levels=levels[row])
        for row, seen in enumerate(glances)
    ]


def _stretched(cells: Floats) -> Floats:
    """Values of more than 8 bits often use a small part of their range, so each picture is brought to its own."""
    low, high = cells.min(axis=(1, 2), keepdims=True), cells.max(axis=(1, 2), keepdims=True)
    return np.asarray((cells - low) * (np.float32(255) / np.where(high > low, high - low, 255)), np.float32)


def _three(values: npt.NDArray[np.float64], top: int) -> Floats:
    """[3] of the 1 or 3 values that OpenCV gives, as shares of the range."""
    return np.asarray(np.array(values.ravel().tolist() * (3 // values.size)) / top, np.float32)


def _lines(grey: Grey, top: int) -> Floats:
    """Pixels of the outermost rows and columns, in the order of EDGES: [4, 64]."""
    down, along = _spread(grey.shape[0]), _spread(grey.shape[1])
    lines = np.empty((4, _SAMPLES), np.float32)
    lines[0], lines[1] = grey[0, along], grey[-1, along]
    lines[2], lines[3] = grey[down, 0], grey[down, -1]
    lines *= np.float32(1 / top)
    return lines


@lru_cache(maxsize=256)
def _spread(length: int) -> npt.NDArray[np.intp]:
    """Places evenly spread over a side, from end to end."""
    return np.linspace(0, length - 1, _SAMPLES).astype(np.intp)
