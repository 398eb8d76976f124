"""The filters of the first convolution as pictures: before training, after it, and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medgraft.report.overlay import Pixels
from medgraft.report.pictures import Picture, inlined

Floats = npt.NDArray[np.float32]

_COLUMNS = 8
_SIDE = 40
"""Pixels that a filter is wide at least."""
_GAP = 4
_GROUND = 128


def filter_pictures(path: Path) -> Iterator[tuple[str, Pixels, Picture]]:
    """Name, pixels and picture of each of the three; none where the file is not there or cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as held:
            before, after = (np.asarray(held[key], np.float32) for key in ("before", "after"))
    except (OSError, ValueError, KeyError):
        return
    scale = np.maximum(np.abs(before), np.abs(after)).max(axis=(1, 2, 3), keepdims=True)
    change = after - before
    largest = float(np.abs(change).max())
    told = "nothing changed" if largest == 0 else "the largest change has full contrast"
    for name, caption, values, top in (
        ("filters-before", "Before training", before, scale),
        ("filters-after", "After training, each filter at the contrast that it has before", after, scale),
        ("filters-change", f"What changed: {told}", change, np.full_like(scale, largest)),
    ):
        pixels = _grid((values / np.where(top > 0, top, 1)).astype(np.float32))
        yield (
            name,
            pixels,
            Picture(caption, f"{len(before)} filters of the first convolution. {caption}.", inlined(pixels)),
        )


def _grid(values: Floats) -> Pixels:
    """Filters [F, 1 or 3, h, w] from -1 to 1 in rows, a pixel of theirs as a square; 0 is grey."""
    count, planes, height, width = values.shape
    zoom = max(1, -(-_SIDE // width))
    rows = -(-count // _COLUMNS)
    step_down, step_across = height * zoom + _GAP, width * zoom + _GAP
    ground = np.full((rows * step_down + _GAP, min(count, _COLUMNS) * step_across + _GAP, 3), _GROUND, np.uint8)
    for place, each in enumerate(values):
        cells = np.rint(np.clip(127.5 + 127.5 * each, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
        square = np.repeat(np.repeat(np.repeat(cells, 3 // planes, axis=2), zoom, axis=0), zoom, axis=1)
        top, left = place // _COLUMNS * step_down + _GAP, place % _COLUMNS * step_across + _GAP
        ground[top : top + square.shape[0], left : left + square.shape[1]] = square
    return ground
