"""Pictures of an explanation: the image beside its map, and the map alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from medgraft.evaluation import save_mask
from medgraft.explain import METHODS, Explanation
from medgraft.prediction import Array
from medgraft.report import TRUTH, Layer, overlay
from medgraft.report.heat import heat
from medgraft.report.pictures import displayed, encoded, labelled, side_by_side
from medgraft.report.rendering import write_bytes

SIDE = 384
"""Long side of either picture."""
GRAIN = 0.012
"""Smoothing of maps of single pixels, as a share of the long side."""


def save_pictures(
    folder: Path, stem: str, address: str, window: str, found: Explanation, inside: Array | None, synthetic: bool
) -> dict[str, str]:
    """Write ``STEM.png``, the image beside its map, and ``STEM-map.png``; return their names.

    The map is 8-bit at the image's own size: 255 is its maximum, 0 is 0 and below. A mask is outlined in both.
    """
    image = displayed(address, SIDE, window)
    grain = GRAIN if METHODS[found.method].signed and found.method != "occlusion" else 0.0
    panels = [image, heat(image, found.map, grain)]
    if inside is not None:
        size = (image.shape[1], image.shape[0])
        small = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        panels = [overlay(panel, [Layer(small, TRUTH)]) for panel in panels]
    write_bytes(folder / f"{stem}.png", encoded(labelled(side_by_side(panels), synthetic), "png"))
    top = float(found.map.max())
    grey = np.clip(found.map, 0, None) * (255 / top if top > 0 else 0)
    save_mask(folder / f"{stem}-map.png", np.rint(grey).astype(np.uint8))
    return {"picture": f"{stem}.png", "map": f"{stem}-map.png"}
