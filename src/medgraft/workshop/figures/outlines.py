"""Images with outlines on them, and images with maps beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.report.overlay import PREDICTION, TRUTH, Layer, overlay
from medgraft.workshop.figures.picture import INK, Picture, picture

Array = npt.NDArray[Any]


def outlines(images: Array, truths: Array, predictions: Mapping[str, Array], scores: Mapping[str, Array]) -> Picture:
    """A row a model, a column an image: the true outline solid, the predicted one dashed, the Dice above.

    Parameters
    ----------
    images : [N, H, W, 3] uint8.
    truths : [N, H, W] of 0 and 1; ``predictions`` by model the same.
    scores : by model the Dice of each image [N].
    """
    told = "; ".join(f"{name} {', '.join(f'{value:.2f}' for value in values)}" for name, values in scores.items())
    made = picture(1.7 * len(images), 1.9 * len(predictions), f"Images with true and predicted outlines. Dice: {told}.")
    places = made.subplots(len(predictions), len(images), squeeze=False)
    for row, (name, masks) in enumerate(predictions.items()):
        for column, image in enumerate(images):
            axes = places[row, column]
            layers = [Layer(truths[column] > 0, TRUTH), Layer(masks[column] > 0, PREDICTION, dash=4)]
            axes.imshow(overlay(image, layers, width=1))
            axes.set_axis_off()
            axes.set_title(f"{scores[name][column]:.2f}", color=INK, fontsize=8)
        places[row, 0].text(-0.12, 0.5, name, color=INK, fontsize=9, rotation=90, va="center", ha="center",
                            transform=places[row, 0].transAxes)  # fmt: skip
    return made


def gallery(images: Sequence[Array], titles: Sequence[str], maps: Sequence[Array] | None = None) -> Picture:
    """Images in a row, with a map [H, W] over a grey copy of each below, where there are any; bright is above 0."""
    kind = "Images, and below each a map laid over it" if maps is not None else "Images in a row"
    made = picture(1.7 * len(images), 3.6 if maps is not None else 1.9, f"{kind}: {'; '.join(titles)}.")
    places = made.subplots(2 if maps is not None else 1, len(images), squeeze=False)
    for column, (image, title) in enumerate(zip(images, titles, strict=True)):
        places[0, column].imshow(image, cmap="gray", vmin=0, vmax=255)
        places[0, column].set_title(title, color=INK, fontsize=8)
        if maps is not None:
            places[1, column].imshow(_grey(image), cmap="gray", vmin=0, vmax=255)
            places[1, column].imshow(np.clip(maps[column], 0, None), cmap="inferno", alpha=0.55)
    for axes in places.ravel():
        axes.set_axis_off()
    return made


def _grey(image: Array) -> Array:
    return image if image.ndim == 2 else image.mean(axis=2)
