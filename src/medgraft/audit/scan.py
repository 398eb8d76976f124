"""One parallel look at all images and masks of a data set: every file is decoded once, and figures are kept of it.

Images that may be equal, by their size and an eighth of their rows, are decoded a second time to be sure.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.audit.digest import pixel_digest
from medgraft.audit.facts import EDGES, LAYOUT, SCALARS, ImageFacts, MaskFacts, Scan
from medgraft.audit.hashing import WORDS
from medgraft.audit.mask_measure import measure_mask
from medgraft.audit.measure import PERCENTILES, Glance, glance, measure
from medgraft.audit.picture import is_grey, luminance, read_picture
from medgraft.audit.text_regions import FEATURES
from medgraft.data.formats import AUTO, file_of, read_mask
from medgraft.data.formats.address import SIGN
from medgraft.errors import DataError

Progress = Callable[[int, int], None]
_Batch = Sequence[tuple[str, str | None]]
_Looked = tuple[list[ImageFacts], list[MaskFacts]]

_BATCH = 16
"""Images that are measured together."""
_AHEAD = 4
"""Batches a worker that are handed out before the first of them is waited for; no more results are held back."""


def scan(
    images: Sequence[str],
    masks: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    window: str = AUTO,
) -> Scan:
    """Measure images, and their masks; what cannot be read is noted as such and stops nothing.

    The result is the same whatever the number of workers. Memory holds a few images a worker, and about 700 bytes for
    every image that was measured.

    Parameters
    ----------
    images : addresses, see :mod:`medgraft.data.formats.address`.
    masks : of each image that of its mask; None where there are none.
    workers : threads; None for one a core. Decoders do their work outside of Python, so threads share it.
    progress : is told how many images of how many are done.
    window : see :func:`medgraft.data.formats.read_image`.
    """
    rows = len(images)
    pairs = list(zip(images, [None] * rows if masks is None else masks, strict=True))
    table = _Table(rows, masked=masks is not None)
    workers = workers or _cores()
    batches = [pairs[start : start + _BATCH] for start in range(0, rows, _BATCH)]
    with ThreadPoolExecutor(workers) as pool, _one_thread_each():
        for found in _in_order(pool, partial(_look, window), batches, _AHEAD * workers):
            table.add(found)
            if progress is not None:
                progress(len(table), rows)
        seen = table.finished()
        alike = _alike(seen)
        addresses = [images[row] for row in alike]
        digests = np.fromiter(pool.map(partial(_whole_digest, window), addresses, alike), np.uint64, len(alike))
    seen.images.loc[alike, "digest"] = digests
    return seen


def _alike(seen: Scan) -> list[int]:
    """Rows of images that share the digest of some of their rows and their size with another."""
    read = seen.images[seen.readable]
    return list(read.index[read.duplicated(["digest", "height", "width"], keep=False)])


def _whole_digest(window: str, address: str, row: int) -> int:
    """The digest of all pixels, read once more; of an image that has gone since it is nobody else's."""
    try:
        pixels = read_picture(address, window).pixels
        return pixel_digest(luminance(pixels) if is_grey(pixels) else pixels)
    except (DataError, OSError):
        return pixel_digest(np.array([row]))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV from dividing small pictures among threads of its own, which costs more than it gains."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[_Batch], _Looked], batches: Iterable[_Batch], ahead: int
) -> Iterator[_Looked]:
    """Results in the order of the batches, of which no more than ``ahead`` are begun before they are taken."""
    waiting: deque[Future[_Looked]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # of a scan that was broken off
        for future in waiting:
            future.cancel()


def _look(window: str, batch: _Batch) -> _Looked:
    """Read and measure some images, and their masks."""
    glances: list[Glance] = []
    images: list[ImageFacts | None] = []  # None: the next one of the glances
    masks: list[MaskFacts] = []
    for image, mask in batch:
        grey, size = None, _bytes(image)
        try:
            picture = read_picture(image, window)
            grey = luminance(picture.pixels)
            glances.append(glance(picture, grey, size))
            images.append(None)
        except (DataError, OSError) as error:
            images.append(ImageFacts(error=str(error), bytes=size))
        if mask is not None:
            masks.append(_look_at_mask(mask, grey))
    measured = iter(measure(glances))
    return [facts or next(measured) for facts in images], masks


def _look_at_mask(mask: str, grey: npt.NDArray[Any] | None) -> MaskFacts:
    try:
        return measure_mask(read_mask(mask), grey)
    except (DataError, OSError) as error:
        return MaskFacts(error=str(error))


def _bytes(address: str) -> int:
    try:
        return os.stat(address if SIGN not in address else file_of(address)).st_size  # noqa: PTH116 - a path costs more
    except OSError:
        return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Table:
    """Columns that are filled row by row."""

    def __init__(self, rows: int, masked: bool) -> None:
        self._scalars: dict[str, list[Any]] = {name: [] for name in SCALARS}
        self._masks: dict[str, list[Any]] | None = {f.name: [] for f in fields(MaskFacts)} if masked else None
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "hash": np.zeros((rows, WORDS), np.uint64),
            "layout": np.zeros((rows, LAYOUT * LAYOUT), np.uint8),
            "edges": np.full((rows, 3 * len(EDGES)), np.nan, np.float32),
            "text": np.full((rows, FEATURES), np.nan, np.float32),
            "mean": np.full((rows, 3), np.nan, np.float32),
            "std": np.full((rows, 3), np.nan, np.float32),
            "levels": np.full((rows, len(PERCENTILES)), np.nan, np.float32),
        }

    def __len__(self) -> int:
        return len(self._scalars["error"])

    def add(self, looked: _Looked) -> None:
        """Write the next rows."""
        images, masks = looked
        for row, image in enumerate(images, start=len(self)):
            for name, array in self._arrays.items():
                values = getattr(image, name)
                if values is not None:
                    array[row] = values
        for name, column in self._scalars.items():
            column += [getattr(image, name) for image in images]
        for name, column in (self._masks or {}).items():
            column += [getattr(mask, name) for mask in masks]

    def finished(self) -> Scan:
        """Everything that was put in."""
        arrays = self._arrays
        return Scan(
            images=_frame(self._scalars),
            masks=None if self._masks is None else _frame(self._masks),
            hashes=arrays["hash"],
            layouts=arrays["layout"],
            edges=arrays["edges"],
            text=arrays["text"],
            means=arrays["mean"],
            stds=arrays["std"],
            levels=arrays["levels"],
        )


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """A table; digests have 64 bits and no sign."""
    return pd.DataFrame({**columns, "digest": np.array(columns["digest"], np.uint64)})
