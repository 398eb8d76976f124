"""Images with the outlines of their masks, as a data set hands them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medgraft.workshop.figures.picture import GREEN, INK, Picture, picture

_ROW = 6
"""Pictures in a row."""


def show_pairs(images: Sequence[Any], masks: Sequence[Any], titles: Sequence[str] = ()) -> Picture:
    """Images with their outlines.

    Parameters
    ----------
    images : each ``[1 or 3, H, W]`` of 0 to 1; arrays or tensors.
    masks : each ``[1, H, W]``; what is above 0.5 is inside.
    titles : above the images, one each or none.
    """
    columns = min(len(images), _ROW)
    rows = -(-len(images) // columns)
    named = f": {'; '.join(titles)}" if len(titles) else ""
    made = picture(1.5 * columns, 1.75 * rows, f"{len(images)} images with the outlines of their masks{named}.")
    places = made.subplots(rows, columns, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for place, (axes, image, mask) in enumerate(zip(places, images, masks, strict=False)):
        pixels = np.clip(np.asarray(image, np.float64), 0, 1)
        axes.imshow(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0], cmap="gray", vmin=0, vmax=1)
        inside = np.asarray(mask)[0] > 0.5
        if 0 < inside.sum() < inside.size:
            axes.contour(inside, levels=[0.5], colors=[GREEN], linewidths=1.6)
        if len(titles):
            axes.set_title(titles[place], color=INK, fontsize=8)
    return made
