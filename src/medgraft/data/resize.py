"""Bringing an image and its mask to the working size by the same geometry, pixel centre on pixel centre."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]


def resize_image(image: Pixels, size: int) -> Pixels:
    """Return ``image`` [H, W, C], uint8 or uint16, as ``[size, size, C]``.

    A side that shrinks is averaged over areas (so nothing aliases), a side that grows is interpolated
    linearly.
    """
    return resize_image_to(image, size, size)


def resize_image_to(image: Pixels, height: int, width: int) -> Pixels:
    """Return ``image`` [H, W, C] as ``[height, width, C]``, by the rule of :func:`resize_image`."""
    rows, columns, channels = image.shape
    smaller = (min(columns, width), min(rows, height))
    result = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA) if smaller != (columns, rows) else image
    if smaller != (width, height):
        result = cv2.resize(result, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result).reshape(height, width, channels)


def resize_mask(mask: Pixels, size: int) -> Pixels:
    """Return ``mask`` [H, W] as ``[size, size]``: every pixel takes the nearest source pixel's value."""
    # OpenCV's plain INTER_NEAREST takes a pixel's corner for its centre, half a pixel off the image.
    return np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT))
