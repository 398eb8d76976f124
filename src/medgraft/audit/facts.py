"""What one look at a data set leaves behind: a row of figures for each image, and no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.audit.hashing import Words

LAYOUT = 8
"""Side of the coarse layout, in cells."""
EDGES: tuple[str, ...] = ("top", "bottom", "left", "right")

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ImageFacts:
    """One image. Of one that cannot be read only ``error`` and ``bytes`` mean anything.

    Attributes
    ----------
    error : why it cannot be read, in a sentence; empty where it can.
    format : of the file, as ``PNG``, ``JPEG`` or ``DICOM``.
    bytes : size of the file; 0 where it is missing.
    height, width : in pixels, as shown.
    channels, bits : as stored: 1 or 3 (4 with transparency), and 1, 8 or 16 bits a channel.
    grey : whether all channels are equal, whatever their number.
    digest : see :mod:`medgraft.audit.digest`; in a scan, images of one size with the same one are exact duplicates.
    low, high : the smallest and the largest value of all pixels and channels, as shares of the range of the depth.
    mean, std : [3], of each channel; grey images repeat theirs. Shares of the range, over a grid of pixels.
    levels : [5], the percentiles 1, 25, 50, 75 and 99 of luminance on that grid, as shares of the range.
    black, white : share of the pixels on that grid that are at the bottom and at the top of the range.
    hash : [4] uint64, see :mod:`medgraft.audit.hashing`; all zero where there is nothing in the picture.
    layout : [LAYOUT * LAYOUT], mean luminance of the cells, row by row.
    edges : [4 * 3], of the outermost row or column at each of EDGES the mean, the spread and the share of black.
    text : [FEATURES], see :mod:`medgraft.audit.text_regions`.
    """

    error: str = ""
    format: str = ""
    bytes: int = 0
    height: int = 0
    width: int = 0
    channels: int = 0
    bits: int = 0
    grey: bool = False
    digest: int = 0
    low: float = math.nan
    high: float = math.nan
    mean: Floats | None = None
    std: Floats | None = None
    levels: Floats | None = None
    black: float = math.nan
    white: float = math.nan
    hash: Words | None = None
    layout: Bytes | None = None
    edges: Floats | None = None
    text: Floats | None = None


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """One mask. Of one that cannot be read only ``error`` means anything.

    Attributes
    ----------
    error : why it cannot be read, in a sentence; empty where it can.
    height, width : in pixels.
    same_size : whether the image has that size too; False where the image cannot be read.
    values : the values found, ascending, no more than the first 32.
    value_count : how many there are.
    foreground : share of pixels that are not 0.
    top, bottom, left, right : whether the foreground touches that border.
    digest : of shape and values; masks with the same one are equal.
    fit : how well the mask's outline follows the image, see :mod:`medgraft.audit.alignment`; NaN where that says
        nothing (an empty mask, a flat image, another size).
    better : the turn or flip under which it would fit much better, as ``flipped left-right``; empty where none does.
    better_fit : the fit under that turn or flip; NaN where there is none.
    """

    error: str = ""
    height: int = 0
    width: int = 0
    same_size: bool = False
    values: tuple[int, ...] = ()
    value_count: int = 0
    foreground: float = math.nan
    top: bool = False
    bottom: bool = False
    left: bool = False
    right: bool = False
    digest: int = 0
    fit: float = math.nan
    better: str = ""
    better_fit: float = math.nan


SCALARS: tuple[str, ...] = (
    *("error", "format", "bytes", "height", "width", "channels", "bits", "grey", "digest"),
    *("low", "high", "black", "white"),
)
"""The facts of an image that are single values: the columns of :attr:`Scan.images`."""


@dataclass(frozen=True, eq=False)
class Scan:
    """All images of a data set, in the order in which they were given.

    Attributes
    ----------
    images : a row an image, columns SCALARS as :class:`ImageFacts` explains them; ``error`` is empty where the image
        was read.
    masks : a row a mask, columns as :class:`MaskFacts` explains them; None where the images have none.
    hashes : [n, 4] uint64; all zero in rows that could not be read, and of flat pictures.
    layouts : [n, LAYOUT * LAYOUT] uint8; 0 in rows that could not be read.
    edges : [n, 12]; ``text`` : [n, T]; ``means``, ``stds`` : [n, 3]; ``levels`` : [n, 5]; all float32, NaN in rows
        that could not be read.
    """

    images: pd.DataFrame
    masks: pd.DataFrame | None
    hashes: Words
    layouts: Bytes
    edges: Floats
    text: Floats
    means: Floats
    stds: Floats
    levels: Floats

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def readable(self) -> npt.NDArray[np.bool_]:
        """[n], whether the image was read."""
        return (self.images["error"] == "").to_numpy()

    @property
    def channel_mean(self) -> npt.NDArray[np.float64]:
        """[3], mean of each channel over all images that were read, each counted alike; NaN where there is none."""
        return self._over_images(self.means)

    @property
    def channel_std(self) -> npt.NDArray[np.float64]:
        """[3], standard deviation of each channel over the pixels of all those images, each image counted alike."""
        within = self._over_images(self.stds.astype(np.float64) ** 2)
        between = self._over_images((self.means - self.channel_mean) ** 2)
        return np.asarray(np.sqrt(within + between))

    def _over_images(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        if not self.readable.any():
            return np.full(values.shape[1], np.nan)
        return np.asarray(values[self.readable].mean(axis=0, dtype=np.float64))
