"""Sliding windows: an image larger than those of the training, seen at the training's scale and put together again.

A training resizes every image as a whole to its working size, so its scale is (working size) / (size of a training
image). The image is resized by that scale, cut into windows of the working size that overlap, and what the model says
of each is averaged with a Gaussian weight around its middle, as a model knows least at the edges of what it sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.data.resize import resize_image_to
from medgraft.errors import RecipeError
from medgraft.prediction import Array

BATCH = 16
"""Windows in one forward pass."""

_SIGMA = 0.125
# Of the weight in the middle. Corners would otherwise weigh 1e-7, where float32 has no digits left to divide by.
_LEAST = 1e-3


@dataclass(frozen=True)
class Windows:
    """How windows are laid over an image.

    Attributes
    ----------
    overlap : share of a window's side that the next one covers again, from 0 up to less than 1.
    side : the side of a window in pixels of the image, before it is resized; None takes the height and width of the
        training's images (their medians), which is the scale the model was trained at.

    Raises
    ------
    RecipeError
        For an overlap or a side out of range.
    """

    overlap: float = 0.5
    side: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise RecipeError(f"windows: an overlap from 0 up to less than 1 is wanted, not {self.overlap}.")
        if self.side is not None and self.side < 1:
            raise RecipeError(f"window side: a number of pixels is wanted, not {self.side}.")


@dataclass(frozen=True)
class Tiling:
    """Windows of a known size for one model.

    Attributes
    ----------
    height, width : of a window in pixels of the image.
    size : of a window as the model sees it; [size, size].
    overlap : see :class:`Windows`.
    """

    height: int
    width: int
    size: int
    overlap: float

    def scaled(self, pixels: Array) -> Array:
        """The image [H, W, C] at the training's scale; a side no longer than a window's becomes ``size``."""
        height, width = pixels.shape[:2]
        return resize_image_to(pixels, self._scaled(height, self.height), self._scaled(width, self.width))

    def _scaled(self, side: int, window: int) -> int:
        return self.size if side <= window else max(self.size, round(side * self.size / window))

    def corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """Top left corners (row, column) of the windows that cover a scaled image, row by row."""
        return [(y, x) for y in self._starts(height) for x in self._starts(width)]

    def _starts(self, side: int) -> list[int]:
        """The last window ends where the image does, so it may overlap more than the others."""
        step = max(1, int(self.size * (1 - self.overlap)))
        count = math.ceil((side - self.size) / step) + 1
        return [min(place * step, side - self.size) for place in range(count)]


def blended(scaled: Array, tiling: Tiling, model: Callable[[Array], Array]) -> Array:
    """Probabilities [C, H, W] of a scaled image [H, W, channels], from what ``model`` says of its windows.

    Parameters
    ----------
    model : windows [B, size, size, channels] to probabilities [B, C, size, size].
    """
    height, width = scaled.shape[:2]
    weight = gaussian_weights(tiling.size)
    total = np.zeros((height, width), np.float32)
    sums: Array | None = None
    for corners in _batches(tiling.corners(height, width)):
        said = model(np.stack([scaled[y : y + tiling.size, x : x + tiling.size] for y, x in corners]))
        if sums is None:
            sums = np.zeros((said.shape[1], height, width), np.float32)
        for (y, x), probability in zip(corners, said, strict=True):
            place = (slice(y, y + tiling.size), slice(x, x + tiling.size))
            sums[:, *place] += weight * probability
            total[place] += weight
    assert sums is not None
    # Sums of many float32 may pass 1 by a rounding.
    return np.minimum(sums / total, 1, out=sums)


def gaussian_weights(size: int) -> npt.NDArray[np.float32]:
    """Weights [size, size] with their largest in the middle; the standard deviation is an eighth of the side."""
    distance = np.arange(size) - (size - 1) / 2
    bell = np.exp(-(distance**2) / (2 * (_SIGMA * size) ** 2))
    return np.maximum(np.outer(bell, bell), _LEAST).astype(np.float32)


def _batches(corners: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(corners), BATCH):
        yield corners[start : start + BATCH]
