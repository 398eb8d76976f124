"""Geometric augmentation: one map, sampled once, applied to an image and to its mask.

A map says for every pixel of the result where in the source it comes from (an inverse map), so image and mask
can be read through it with different interpolation and still stay on top of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.policy import Augment

Pixels = npt.NDArray[Any]

# The edge row is not repeated by this border, so a lesion that touches the edge has no doubled outline.
_BORDER = cv2.BORDER_REFLECT_101
_MAX_CELLS = 4


@dataclass(frozen=True)
class Geometry:
    """One sampled geometric change.

    Parameters
    ----------
    flip_horizontal, flip_vertical
        Whether left and right, up and down, change places (before the rotation).
    rotation
        Degrees, counter-clockwise as one looks at the image (as ``numpy.rot90``), about the image's centre.
    scale
        Zoom factor; above 1 the content grows.
    shift
        ``(x, y)`` as fractions of width and height; positive moves the content right and down.
    elastic
        ``[k, k, 2]`` displacements ``(x, y)`` of control points, as fractions of the side, or None. They are
        spread over the image by cubic interpolation.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    elastic: npt.NDArray[np.float32] | None = None

    @property
    def moves_nothing(self) -> bool:
        """Whether every pixel stays where it is."""
        flips = self.flip_horizontal or self.flip_vertical
        still = not flips and self.rotation == 0.0 and self.scale == 1.0 and self.shift == (0.0, 0.0)
        return still and self.elastic is None

    def matrix(self, height: int, width: int) -> npt.NDArray[np.float64]:
        """Return the ``[2, 3]`` matrix that takes ``(x, y, 1)`` of the result to ``(x, y)`` of the source."""
        angle = radians(self.rotation)
        cosine, sine = cos(angle) / self.scale, sin(angle) / self.scale
        across = -1.0 if self.flip_horizontal else 1.0
        down = -1.0 if self.flip_vertical else 1.0
        # Pixel centres are at whole coordinates, so the middle of an image is at (side - 1) / 2.
        x, y = (width - 1) / 2, (height - 1) / 2
        to_x, to_y = x + self.shift[0] * width, y + self.shift[1] * height
        xx, xy, yx, yy = across * cosine, -across * sine, down * sine, down * cosine
        origin = x - xx * to_x - xy * to_y, y - yx * to_x - yy * to_y
        return np.array([[xx, xy, origin[0]], [yx, yy, origin[1]]])

    def apply(self, image: Pixels, mask: Pixels | None) -> tuple[Pixels, Pixels | None]:
        """Move ``image`` [H, W, C] (bilinear) and ``mask`` [H, W] (nearest) by the same map.

        What lies beyond an edge is a reflection. Where nothing moves, returns the given arrays themselves.
        """
        if self.moves_nothing:
            return image, mask
        warp = self._affine if self.elastic is None else self._deform
        moved_mask = None if mask is None else warp(mask, cv2.INTER_NEAREST)
        if image.shape[2] == 3:
            # OpenCV interpolates four channels in half the time of three.
            moved = warp(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), cv2.INTER_LINEAR)
            return np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB)), moved_mask
        return warp(image, cv2.INTER_LINEAR).reshape(image.shape), moved_mask

    def _affine(self, pixels: Pixels, interpolation: int) -> Pixels:
        height, width = pixels.shape[:2]
        flags = interpolation | cv2.WARP_INVERSE_MAP
        matrix = self.matrix(height, width)
        return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=_BORDER))

    def _deform(self, pixels: Pixels, interpolation: int) -> Pixels:
        xs, ys = self._source(*pixels.shape[:2])
        return np.asarray(cv2.remap(pixels, xs, ys, interpolation, borderMode=_BORDER))

    def _source(self, height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Source coordinates ``(x, y)`` of every pixel of the result, each ``[H, W]``."""
        side = np.array([width, height], dtype=np.float32)
        field = cv2.resize(self.elastic, (width, height), interpolation=cv2.INTER_CUBIC) * side
        matrix = self.matrix(height, width).astype(np.float32)
        x = np.arange(width, dtype=np.float32)[None, :]
        y = np.arange(height, dtype=np.float32)[:, None]
        xs = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] + field[..., 0]
        ys = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] + field[..., 1]
        return xs, ys


def sample_geometry(policy: Augment, rng: np.random.Generator) -> Geometry:
    """Draw a change within ``policy``'s ranges.

    The same number of values is drawn whatever the ranges are (the elastic field apart, which comes last), so
    changing one range does not change what the others draw.
    """
    draw = rng.random(6).tolist()
    signed = [2.0 * value - 1.0 for value in draw[2:]]
    return Geometry(
        flip_horizontal=draw[0] < policy.flip_horizontal,
        flip_vertical=draw[1] < policy.flip_vertical,
        rotation=policy.rotation * signed[0],
        scale=1.0 + policy.scale * signed[1],
        shift=(policy.shift * signed[2], policy.shift * signed[3]),
        elastic=_control_points(policy.elastic, rng) if policy.elastic else None,
    )


def _control_points(size: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Random displacements up to ``size``; large ones get fewer points, so that tissue seldom folds."""
    cells = int(np.clip(0.25 / size, 1, _MAX_CELLS))
    points = rng.uniform(-size, size, (cells + 1, cells + 1, 2))
    return points.astype(np.float32)
