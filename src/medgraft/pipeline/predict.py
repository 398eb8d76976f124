"""Predictions for image files: masks and overlays at their own size, or a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from medgraft.data import IMAGE_SUFFIXES, read_image
from medgraft.errors import DataError, listing
from medgraft.evaluation import save_mask
from medgraft.files import replacing
from medgraft.label_predictor import LabelPredictor
from medgraft.predictor import Array, Prediction, Predictor
from medgraft.progress import Observer
from medgraft.report import CLASS_COLOURS, PREDICTION, overlay
from medgraft.run import Run


def predict_files(
    run: str | Path, files: Sequence[Path], out: str | Path, threshold: float | None, observer: Observer
) -> list[Path]:
    """Predict each image and write what was found to the folder ``out``; return the paths of what was written.

    A segmentation run writes ``NAME_mask.png`` and ``NAME_overlay.png`` for each image, a classifier one
    ``predictions.csv`` with a row an image: ``image``, ``predicted`` and the probability ``p_CLASS`` of each class.

    Parameters
    ----------
    files : image files, and folders whose images (not those of folders in them) are taken.
    threshold : probability from which a pixel is foreground, or an image positive; None takes the run's own.

    Raises
    ------
    DataError
        Where there is no image, two of them have one name, or some cannot be read; the others are done by then.
    """
    opened = Run(run)
    if threshold is not None and not 0 < threshold < 1:
        raise DataError(f"--threshold: a probability between 0 and 1 is wanted, not {threshold}.")
    if Path(out).exists() and not Path(out).is_dir():
        raise DataError(f"{out} is a file, and a folder is wanted there; choose another with --out.")
    images = _expanded(files)
    if opened.task == "classification":
        labeller = opened.label_predictor
        return _labels(replace(labeller, threshold=threshold or labeller.threshold), images, Path(out), observer)
    _refuse_doubled(images)
    predictor = opened.predictor
    return _masks(replace(predictor, threshold=threshold or predictor.threshold), images, Path(out), observer)


def _masks(predictor: Predictor, images: list[Path], out: Path, observer: Observer) -> list[Path]:
    written, failed = [], []
    for done, path in enumerate(images, start=1):
        try:
            pixels = read_image(path, predictor.channels)
        except DataError as error:
            failed.append(str(error))
            continue
        prediction = predictor.predict(pixels)
        mask = out / f"{path.stem}_mask.png"
        save_mask(mask, prediction.mask)
        save_mask(out / f"{path.stem}_overlay.png", draw(pixels, prediction)[..., ::-1])
        observer.say(str(mask))
        observer.working("predicting", done, len(images))
        written.append(mask)
    _raise_unread(failed, len(images))
    return written


def _labels(predictor: LabelPredictor, images: list[Path], out: Path, observer: Observer) -> list[Path]:
    rows, failed = [], []
    for done, path in enumerate(images, start=1):
        try:
            prediction = predictor.predict(path)
        except DataError as error:
            failed.append(str(error))
            continue
        shares = {f"p_{name}": float(p) for name, p in zip(prediction.names, prediction.probabilities, strict=True)}
        rows.append({"image": str(path), "predicted": prediction.label} | shares)
        observer.say(f"{path}: {prediction}")
        observer.working("predicting", done, len(images))
    table = out / "predictions.csv"
    if rows:
        with replacing(table) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        observer.say(str(table))
    _raise_unread(failed, len(images))
    return [table]


def _raise_unread(failed: list[str], count: int) -> None:
    if failed:
        listed = "\n  ".join(failed)
        raise DataError(f"{len(failed)} of {count} images could not be read, the others are done:\n  {listed}")


def draw(pixels: Array, prediction: Prediction) -> Array:
    """The outlines of the predicted classes on the image, [H, W, 3] uint8 RGB."""
    eight_bit = pixels if pixels.dtype == np.uint8 else (pixels / 257).astype(np.uint8)
    colour = cv2.cvtColor(eight_bit, cv2.COLOR_GRAY2RGB) if eight_bit.shape[2] == 1 else eight_bit
    count = prediction.probability.shape[0] if prediction.probability.ndim == 3 else 2
    hues = [PREDICTION] if count == 2 else CLASS_COLOURS
    found = [(prediction.classes == index, hues[(index - 1) % len(hues)]) for index in range(1, count)]
    drawn: Array = overlay(np.asarray(colour), found, opacity=0.2)
    return drawn


def _expanded(files: Sequence[Path]) -> list[Path]:
    images: list[Path] = []
    for path in files:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise DataError(f"{path}: no image in this folder.")
            images += found
        elif path.is_file():
            images.append(path)
        else:
            raise DataError(f"{path}: no such file.")
    return images


def _refuse_doubled(images: list[Path]) -> None:
    stems = [path.stem for path in images]
    doubled = sorted({stem for stem in stems if stems.count(stem) > 1})
    if doubled:
        raise DataError(f"two images have one name, so one mask would replace the other: {listing(doubled)}.")
