"""A map of what an answer rests on, laid over its image."""

from __future__ import annotations

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt

from medgraft.report.overlay import Pixels

COLOURS = "inferno"
"""From black over red to yellow, with a brightness that grows evenly, so that it reads without colour too."""
_DARKEST, _STRONGEST, _TOP = 0.3, 0.8, 99.8


def heat(image: Pixels, values: npt.NDArray[np.floating], grain: float = 0.0) -> Pixels:
    """Lay the positive part of a map over a grey copy of an image; what is 0 is left as it is.

    Parameters
    ----------
    image : [H, W, 3] uint8.
    values : [h, w] of any size and scale; brought to the image's size. The strongest places (the 99.8th percentile and
        above) are brightest, so that the colours of two images cannot be compared.
    grain : width of a Gaussian that smooths the map first, as a share of the image's longer side; maps of single
        pixels are too fine to be seen without.

    Returns
    -------
    [H, W, 3] uint8, a new array.
    """
    height, width = image.shape[:2]
    positive = np.clip(values, 0, None).astype(np.float32)
    shrinks = positive.shape[0] > height or positive.shape[1] > width
    plane = cv2.resize(positive, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if grain:
        plane = cv2.GaussianBlur(plane, (0, 0), max(0.5, grain * max(height, width)))
    top = float(np.percentile(plane, _TOP)) or float(plane.max())
    share = np.clip(plane / top, 0, 1) if top > 0 else np.zeros_like(plane)
    colours = matplotlib.colormaps[COLOURS](_DARKEST + (1 - _DARKEST) * share)[..., :3] * 255
    weight = (_STRONGEST * share**0.75)[..., None]
    grey = image.astype(np.float32).mean(axis=2, keepdims=True)
    return np.asarray(np.rint(grey * (1 - weight) + colours * weight), np.uint8)


def gradient() -> str:
    """The colours as a CSS gradient from weak to strong, for a legend."""
    places = np.linspace(_DARKEST, 1, 6)
    return (
        "linear-gradient(90deg, "
        + ", ".join(matplotlib.colors.to_hex(matplotlib.colormaps[COLOURS](p)) for p in places)
        + ")"
    )
