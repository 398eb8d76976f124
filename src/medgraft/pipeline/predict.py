"""Predictions for image files: masks and overlays at their own size, or a table of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from medgraft.data import read_image
from medgraft.data.formats import Address, Axis, parts_of
from medgraft.data.layouts.loose import loose_images
from medgraft.errors import DataError, listing
from medgraft.evaluation import save_mask
from medgraft.files import replacing
from medgraft.label_predictor import LabelPredictor
from medgraft.prediction import Array, Prediction
from medgraft.predictor import Predictor
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
    files : image files, and folders whose images are taken (where there are none, those of folders in them). Of a
        file that holds several pictures each is predicted, of a volume each slice along the axis of the training.
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
    images = _expanded(files, opened.recipe.axis)
    if opened.task == "classification":
        labeller = opened.label_predictor
        return _labels(replace(labeller, threshold=threshold or labeller.threshold), images, Path(out), observer)
    _refuse_doubled(images)
    predictor = opened.predictor
    return _masks(replace(predictor, threshold=threshold or predictor.threshold), images, Path(out), observer)


def _masks(predictor: Predictor, images: list[str], out: Path, observer: Observer) -> list[Path]:
    written, failed = [], []
    for done, address in enumerate(images, start=1):
        try:
            pixels = read_image(address, predictor.channels, window=predictor.window)
        except DataError as error:
            failed.append(str(error))
            continue
        prediction = predictor.predict(pixels)
        stem = Address.parse(address).stem
        mask = out / f"{stem}_mask.png"
        save_mask(mask, prediction.mask)
        save_mask(out / f"{stem}_overlay.png", draw(pixels, prediction)[..., ::-1])
        observer.say(str(mask))
        observer.working("predicting", done, len(images))
        written.append(mask)
    _raise_unread(failed, len(images))
    return written


def _labels(predictor: LabelPredictor, images: list[str], out: Path, observer: Observer) -> list[Path]:
    rows, failed = [], []
    for done, address in enumerate(images, start=1):
        try:
            prediction = predictor.predict(address)
        except DataError as error:
            failed.append(str(error))
            continue
        shares = {f"p_{name}": float(p) for name, p in zip(prediction.names, prediction.probabilities, strict=True)}
        rows.append({"image": address, "predicted": prediction.label} | shares)
        observer.say(f"{address}: {prediction}")
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
        listed = "\n  ".join(dict.fromkeys(failed))
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


def _expanded(files: Sequence[Path], axis: Axis) -> list[str]:
    """The addresses of all pictures; those of a file that cannot be opened are its own name."""
    images: list[str] = []
    for path in files:
        place = Address.parse(path)
        if path.is_dir():
            found = loose_images(path)
            if not found:
                raise DataError(f"{path}: no image in this folder.")
            images += [address for file in found for address in _pictures(file, axis)]
        elif place.file.is_file():
            images += [str(place)] if place.part else _pictures(path, axis)
        else:
            raise DataError(f"{path}: no such file.")
    return images


def _pictures(file: Path, axis: Axis) -> list[str]:
    try:
        return parts_of(file, axis)
    except DataError:  # said with those of the other files, which are done first
        return [str(file)]


def _refuse_doubled(images: list[str]) -> None:
    stems = Counter(Address.parse(address).stem for address in images)
    doubled = sorted(stem for stem, count in stems.items() if count > 1)
    if doubled:
        raise DataError(f"two images have one name, so one mask would replace the other: {listing(doubled)}.")
