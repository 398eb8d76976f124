"""What a model says of an image, and how probabilities become a mask or a label; no model is needed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.data import LabelClasses, MaskClasses, read_image
from medgraft.errors import DataError
from medgraft.window import AUTO

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, at the image's own size.

    Attributes
    ----------
    probability : float32 [H, W] of the foreground (binary), or [C, H, W] over the classes.
    classes : uint8 [H, W], the class of each pixel; 0 is the background.
    mask : [H, W], the same in the values of the training masks (such as 0 and 255).
    """

    probability: Array
    classes: Array
    mask: Array


@dataclass(frozen=True)
class LabelPrediction:
    """What a model says of one image.

    Attributes
    ----------
    probabilities : float32 [C], of each class in class order; they add up to 1, unless an image may have several.
    label : the class; where an image may have several, those found, joined by ``|`` (empty where none is).
    names : the classes.
    """

    probabilities: Array
    label: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {p:.3f}" for name, p in zip(self.names, self.probabilities, strict=True))
        return f"{self.label or '(none)'} ({shares})"


def decide_mask(probability: Array, height: int, width: int, classes: MaskClasses, threshold: float) -> Prediction:
    """Bring probabilities [1 or C, h, w] to [height, width] (bilinear) and decide the class of each pixel.

    ``threshold`` is the probability from which a pixel is foreground, in the binary case; of more classes the most
    probable is taken.
    """
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in probability]
    if len(planes) == 1:
        full, decided = planes[0], (planes[0] >= threshold).astype(np.uint8)
    else:
        full = np.stack(planes)
        decided = full.argmax(0).astype(np.uint8)
    return Prediction(full, decided, classes.decode(decided))


def decide_label(probabilities: Array, classes: LabelClasses, threshold: float) -> LabelPrediction:
    """The label for probabilities [C].

    ``threshold`` is the probability from which the second of two classes, or one of several labels, is given; of more
    than two classes the most probable is taken.
    """
    names = classes.names
    if classes.kind == "multilabel":
        label = "|".join(name for name, p in zip(names, probabilities, strict=True) if p >= threshold)
    elif classes.kind == "binary":
        label = names[int(probabilities[1] >= threshold)]
    else:
        label = names[int(probabilities.argmax())]
    return LabelPrediction(probabilities, label, names)


def as_pixels(image: str | Path | Array, channels: int, window: str = AUTO) -> Array:
    """Return a file's or an array's pixels [H, W, channels], uint8 or uint16; DataError for anything else."""
    if isinstance(image, str | Path):
        pixels: Array = read_image(image, channels, window=window)
        return pixels
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16) or min(array.shape[:2]) < 1:
        raise DataError(
            f"an image array has shape [H, W] or [H, W, channels] and dtype uint8 or uint16, "
            f"not {list(np.shape(image))} of {array.dtype}."
        )
    if array.shape[2] == 1 and channels == 3:
        array = np.repeat(array, 3, axis=2)
    if array.shape[2] != channels:
        raise DataError(f"the model takes images of {channels} channels and this array has {array.shape[2]}.")
    return array
