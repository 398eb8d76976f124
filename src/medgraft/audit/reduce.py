"""Making pictures smaller by averaging, where that is cheap: by halves."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


def halved(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Means of 2 x 2 pixels of [H, W], at least 2 x 2; an odd last row or column is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = picture[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))


def within(picture: npt.NDArray[Any], longest: int) -> npt.NDArray[Any]:
    """``picture`` [H, W], halved until its longer side is at most ``longest``, or the shorter one is a pixel."""
    while max(picture.shape) > longest and min(picture.shape) > 1:
        picture = halved(picture)
    return picture


def averaged(picture: npt.NDArray[Any], side: int) -> npt.NDArray[np.float32]:
    """Means of ``side`` x ``side`` equal parts of [H, W], whatever its shape; smaller pictures are interpolated."""
    while min(picture.shape) >= 4 * side:
        picture = halved(picture)
    small = cv2.resize(picture.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
