"""Outlines of masks drawn on an image, the way a reader compares a contour with the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
Pixels = npt.NDArray[np.uint8]

# Two hues that people with any common colour blindness tell apart (after Okabe and Ito, 2008), lightened so
# that they stand out on skin, tissue and film; the prediction is dashed as well, for print without colour.
TRUTH: Colour = (64, 196, 255)
PREDICTION: Colour = (255, 159, 28)
# One hue a class where there are several; black and white are left to the image.
CLASS_COLOURS: tuple[Colour, ...] = (
    (64, 196, 255), (255, 159, 28), (0, 199, 140), (240, 228, 66), (226, 140, 200), (255, 105, 70),
    (90, 140, 255),
)  # fmt: skip
CASING: Colour = (16, 20, 24)


class Layer(NamedTuple):
    """One mask to outline: ``mask`` [H, W] bool, ``colour`` (RGB), length of a ``dash`` in pixels (0: solid)."""

    mask: npt.NDArray[np.bool_]
    colour: Colour
    dash: int = 0


def overlay(
    image: Pixels,
    masks: Sequence[tuple[npt.NDArray[np.bool_], Colour] | Layer],
    opacity: float = 0.0,
    width: int = 2,
) -> Pixels:
    """Draw the outline of each mask on a copy of ``image``.

    Parameters
    ----------
    image : [H, W, 3] uint8, RGB.
    masks : pairs of a boolean mask [H, W] and an RGB colour, or :class:`Layer` where the outline is dashed;
        later ones lie on top.
    opacity : from 0 (outlines alone) to 1 (masks filled with their colour).
    width : thickness of an outline in pixels; every outline has a thin dark casing, so that it is seen on
        light and on dark ground.

    Returns
    -------
    [H, W, 3] uint8, a new array.

    Raises
    ------
    ValueError
        Where a mask does not have the size of the image, or ``opacity`` lies outside 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie between 0 and 1, not at {opacity}.")
    layers = [Layer(*item) for item in masks]
    for layer in layers:
        if layer.mask.shape != image.shape[:2]:
            raise ValueError(f"a mask of {layer.mask.shape} cannot lie on an image of {image.shape[:2]}.")
    canvas = np.ascontiguousarray(_filled(image, layers, opacity))
    for layer in layers:
        lines = [piece for contour in _contours(layer.mask) for piece in _pieces(contour, layer.dash)]
        cv2.polylines(canvas, lines, False, CASING, width + 2, cv2.LINE_AA)
        cv2.polylines(canvas, lines, False, layer.colour, width, cv2.LINE_AA)
    return canvas


def _filled(image: Pixels, layers: Sequence[Layer], opacity: float) -> Pixels:
    canvas = image.copy()
    for layer in layers if opacity > 0 else ():
        tint = np.asarray(layer.colour, np.float32)
        mixed = canvas[layer.mask].astype(np.float32) * (1 - opacity) + tint * opacity
        canvas[layer.mask] = np.rint(mixed).astype(np.uint8)
    return canvas


def _contours(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int32]]:
    """Closed contours [n, 2] of every piece and every hole, each ending where it began."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    points = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in found]
    return [np.concatenate([contour, contour[:1]]) for contour in points]


def _pieces(contour: npt.NDArray[np.int32], dash: int) -> list[npt.NDArray[np.int32]]:
    """Cut a contour into dashes with gaps of their own length, or leave it whole where ``dash`` is 0."""
    if dash <= 0 or len(contour) < 2 * dash:
        return [contour]
    period = 2 * dash
    # A whole number of periods, so that the last dash does not run into the first.
    starts = np.linspace(0, len(contour), max(1, len(contour) // period), endpoint=False).astype(int)
    return [contour[start : start + dash] for start in starts]
