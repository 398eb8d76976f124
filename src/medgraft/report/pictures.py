"""Pictures of cases: images with the outlines of reference and prediction, for a page or a file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from medgraft.data.formats import AUTO, Address, is_windowed, read_image, read_mask
from medgraft.data.masks import MaskClasses
from medgraft.errors import DataError
from medgraft.report.overlay import CLASS_COLOURS, PREDICTION, TRUTH, Colour, Layer, Pixels, overlay
from medgraft.report.rendering import data_uri

# Long side of a picture in pixels: twice what a page shows, for sharp screens and print.
DISPLAY = 512
# How many pictures at most of the best, the median and the worst.
CASES = 4
SYNTHETIC = "SYNTHETIC"


@dataclass(frozen=True)
class Picture:
    """A picture with its words; ``source`` is a data address, or None where a ``problem`` prevented it."""

    caption: str
    alt: str
    source: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Case:
    """One image at display size with the class indices of its reference and of one prediction a run.

    Attributes
    ----------
    image : [H, W, 3] uint8.
    truth, predictions : [H, W] uint8 class indices.
    """

    image: Pixels
    truth: npt.NDArray[np.uint8]
    predictions: tuple[npt.NDArray[np.uint8], ...]


def choose_cases(table: pd.DataFrame, metric: str = "dice", count: int = CASES) -> dict[str, pd.DataFrame]:
    """Rows of the worst, median and best images by ``metric``, each ``count`` at most and no image twice.

    Parameters
    ----------
    table : one row an image, with the columns ``id`` and ``metric``; undefined values are left out.

    Returns
    -------
    ``{"worst": ..., "median": ..., "best": ...}``: worst first from the lowest, best first from the highest.
    """
    ranked = table.dropna(subset=[metric]).sort_values([metric, "id"], kind="stable")
    size = min(count, max(1, len(ranked) // 3))
    best = ranked.iloc[::-1].head(size)
    worst = ranked.iloc[: min(size, len(ranked) - len(best))]
    between = ranked.iloc[len(worst) : len(ranked) - len(best)]
    start = max(0, (len(between) - size) // 2)
    return {"worst": worst, "median": between.iloc[start : start + size], "best": best}


def load_case(
    row: Mapping[str, Any], runs: Sequence[tuple[Path, MaskClasses]], side: int = DISPLAY, window: str = AUTO
) -> Case | str:
    """Read an image, its reference and each run's prediction at display size, or say what is missing.

    Parameters
    ----------
    row : a row of ``predictions.csv`` with ``id``, ``image`` and ``target``.
    runs : the folder of each run with the mask classes of its model.
    window : how measured values become grey levels, as the first run was trained with.
    """
    image, target = Address.parse(str(row["image"])), Address.parse(str(row["target"]))
    masks = [folder / "predictions" / f"{row['id']}.png" for folder, _ in runs]
    files = [("image", image.file), ("reference mask", target.file), *(("predicted mask", m) for m in masks)]
    for what, path in files:
        if not path.is_file():
            return f"The {what} {path.name} is not there any more."
    try:
        pixels = displayed(str(image), side, window)
        truth = _classes_at(str(target), runs[0][1], pixels)
        predictions = tuple(_classes_at(path, classes, pixels) for path, (_, classes) in zip(masks, runs, strict=True))
    except (DataError, OSError) as error:
        return f"{image.name} cannot be shown: {error}"
    return Case(pixels, truth, predictions)


def draw_case(case: Case, index: int = 0) -> Pixels:
    """The image with the reference (solid) and prediction ``index`` (dashed) outlined, class by class."""
    return overlay(case.image, _layers(case.truth, case.predictions[index]), width=3)


def draw_truth(case: Case) -> Pixels:
    """The image with the reference alone, outlined and lightly filled."""
    classes = range(1, max(2, int(case.truth.max()) + 1))
    several = len(classes) > 1
    layers = [Layer(case.truth == k, class_colours(several, k)[0]) for k in classes]
    return overlay(case.image, _largest_first(layers), opacity=0.18, width=3)


def _layers(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8]) -> list[Layer]:
    highest = max(int(truth.max()), int(prediction.max()), 1)
    colours = [class_colours(highest > 1, k) for k in range(1, highest + 1)]
    solid = [Layer(truth == k, first) for k, (first, _) in enumerate(colours, start=1)]
    dashed = [Layer(prediction == k, second, dash=12) for k, (_, second) in enumerate(colours, start=1)]
    return _largest_first(solid) + _largest_first(dashed)


def _largest_first(layers: list[Layer]) -> list[Layer]:
    """What lies inside another is drawn after it, so that it is not hidden."""
    return sorted(layers, key=_extent, reverse=True)


def _extent(layer: Layer) -> int:
    """Area of the box around a mask."""
    rows, columns = np.nonzero(layer.mask.any(axis=1))[0], np.nonzero(layer.mask.any(axis=0))[0]
    return int((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)) if len(rows) else 0


def class_colours(several: bool, index: int) -> tuple[Colour, Colour]:
    """Colours of reference and prediction: two hues for one class, else one hue a class."""
    hue = CLASS_COLOURS[(index - 1) % len(CLASS_COLOURS)]
    return (hue, hue) if several else (TRUTH, PREDICTION)


def encoded(pixels: Pixels, kind: str) -> bytes:
    """The pixels as a ``png`` (exact) or ``jpeg`` (small) file."""
    buffer = io.BytesIO()
    options = {"quality": 86} if kind == "jpeg" else {"compress_level": 4}
    Image.fromarray(pixels).save(buffer, format=kind.upper(), **options)
    return buffer.getvalue()


def inlined(pixels: Pixels) -> str:
    """The pixels as an address that a page can hold."""
    return data_uri(encoded(pixels, "jpeg"), "jpeg")


def side_by_side(panels: Sequence[Pixels], gap: int = 8) -> Pixels:
    """Panels of one height in a row, on white."""
    spacer = np.full((panels[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (spacer, panel)]
    return np.concatenate(parts[1:], axis=1)


def stamped(pixels: Pixels, label: str) -> Pixels:
    """A copy with ``label`` written in a corner, for pictures that travel without their page."""
    canvas = pixels.copy()
    scale = max(0.4, pixels.shape[0] / 550)
    (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    cv2.rectangle(canvas, (0, 0), (width + 10, height + base + 8), (255, 255, 255), -1)
    cv2.putText(canvas, label, (5, height + 5), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 1, cv2.LINE_AA)
    return canvas


def labelled(pixels: Pixels, synthetic: bool) -> Pixels:
    """The picture, with SYNTHETIC written on it where its image was generated."""
    return stamped(pixels, SYNTHETIC) if synthetic else pixels


def displayed(address: str | Path, side: int, window: str = AUTO) -> Pixels:
    """An image as [H, W, 3] uint8 with a long side of ``side`` pixels; raises DataError where it cannot be read."""
    pixels = read_image(address, channels=3, at_least=side, window=window)
    if pixels.dtype != np.uint8 and is_windowed(address):
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        # A 12-bit scan in 16-bit pixels would look black; what is shown spans its own range of brightness.
        low, high = np.percentile(pixels, (0.5, 99.5))
        stretched = (pixels.astype(np.float32) - low) / max(float(high - low), 1.0)
        pixels = np.rint(np.clip(stretched, 0, 1) * 255).astype(np.uint8)
    factor = side / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def _classes_at(path: str | Path, classes: MaskClasses, like: Pixels) -> npt.NDArray[np.uint8]:
    indices = np.asarray(classes.encode(read_mask(path), path), np.uint8)
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.resize(indices, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
