"""Mean and standard deviation in one pass: three sums that grow image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import BLUE, INK, ON_TINT, ORANGE, Picture, picture, tint, words

Pixels = npt.NDArray[Any]
_IMAGES = (np.array([[9, 8], [9, 10]]), np.array([[1, 2, 1, 0], [3, 2, 1, 2], [2, 1, 0, 1]]), np.array([[5, 7, 6]]))


@dataclass(frozen=True)
class Sums:
    """What is kept of all pixels seen so far."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def with_image(self, image: Pixels) -> Sums:
        """After one more image."""
        pixels = image.astype(np.float64).ravel()
        squares = float((pixels**2).sum())
        return Sums(self.count + pixels.size, self.total + float(pixels.sum()), self.squares + squares)

    @property
    def mean(self) -> float:
        """Of all pixels seen."""
        return self.total / self.count

    @property
    def std(self) -> float:
        """Of all pixels seen, divided by their number."""
        return float(np.sqrt(self.squares / self.count - self.mean**2))


def streaming_mean(images: Sequence[Pixels] = _IMAGES) -> Picture:
    """Each image with its pixels, the three sums after it, and what they say; below, the mean of the images' means."""
    steps = [Sums()]
    for image in images:
        steps.append(steps[-1].with_image(image))
    last, averaged = steps[-1], float(np.mean([image.mean() for image in images]))
    figure = picture(
        7.6,
        1.15 * len(images) + 1.2,
        f"{len(images)} small images arrive one after another. After each, three sums have grown: number of pixels, "
        f"sum, and sum of squares; in the end {last.count}, {last.total:g} and {last.squares:g}. So the mean of all "
        f"pixels is {last.mean:.2f} and the standard deviation {last.std:.2f}; the mean of the images' means, "
        f"{averaged:.2f}, is something else.",
    )
    axes = figure.subplots()
    axes.set(xlim=(0, 13.4), ylim=(-1.4, 3.0 * len(images) + 0.9), aspect="equal")
    axes.set_axis_off()
    for x, name in ((2, "image"), (6.2, "pixels"), (7.9, "sum"), (9.7, "squares"), (11.3, "mean"), (12.8, "std")):
        words(axes, x, 3.0 * len(images) + 0.4, name, fontweight="bold")
    for place, (image, sums) in enumerate(zip(images, steps[1:], strict=True)):
        middle = 3.0 * (len(images) - place) - 1.6
        _grid(axes, image, 2, middle)
        _row(axes, middle, sums, BLUE if place == len(images) - 1 else INK)
    words(axes, 0.2, -0.9, f"Mean of the {len(images)} images' own means: {averaged:.2f}. A pixel of a small image "
          "would count more than one of a large image.", ORANGE, ha="left")  # fmt: skip
    return figure


def _row(axes: Any, y: float, sums: Sums, color: str) -> None:
    values = (f"{sums.count}", f"{sums.total:g}", f"{sums.squares:g}", f"{sums.mean:.2f}", f"{sums.std:.2f}")
    for x, value in zip((6.2, 7.9, 9.7, 11.3, 12.8), values, strict=True):
        words(axes, x, y, value, color, fontsize=10)


def _grid(axes: Any, image: Pixels, x: float, y: float, side: float = 0.85) -> None:
    """The pixels as numbers in cells, around a middle."""
    rows, columns = image.shape
    left, top = x - columns * side / 2, y + rows * side / 2
    for (row, column), value in np.ndenumerate(image):
        corner = (left + column * side, top - (row + 1) * side)
        axes.add_patch(_cell(corner, side, 0.08 + 0.05 * float(value)))
        words(axes, corner[0] + side / 2, corner[1] + side / 2, f"{value:g}", ON_TINT, fontsize=8)


def _cell(corner: tuple[float, float], side: float, share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, side, side, facecolor=tint(min(share, 0.6)), edgecolor=INK, lw=0.8)
