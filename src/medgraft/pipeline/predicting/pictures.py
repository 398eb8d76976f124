"""Masks as PNG, and outlines drawn on the image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from medgraft.evaluation import save_mask
from medgraft.prediction import Array, Prediction
from medgraft.report import CLASS_COLOURS, PREDICTION, overlay


def save_overlay(path: Path, pixels: Array, prediction: Prediction) -> None:
    """Write the image with the outlines of what was found as PNG, whole or not at all."""
    save_mask(path, draw(pixels, prediction)[..., ::-1])


def draw(pixels: Array, prediction: Prediction) -> Array:
    """The outlines of the predicted classes on the image, [H, W, 3] uint8 RGB."""
    eight_bit = pixels if pixels.dtype == np.uint8 else (pixels / 257).astype(np.uint8)
    colour = cv2.cvtColor(eight_bit, cv2.COLOR_GRAY2RGB) if eight_bit.shape[2] == 1 else eight_bit
    count = prediction.probability.shape[0] if prediction.probability.ndim == 3 else 2
    hues = [PREDICTION] if count == 2 else CLASS_COLOURS
    found = [(prediction.classes == index, hues[(index - 1) % len(hues)]) for index in range(1, count)]
    drawn: Array = overlay(np.asarray(colour), found, opacity=0.2)
    return drawn
