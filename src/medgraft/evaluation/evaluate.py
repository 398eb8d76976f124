"""Scores of a trained run: one row an image, at the mask's own resolution, then intervals."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from medgraft.data import Manifest, PixelStore, evaluation_loader, read_mask
from medgraft.data.formats.spacing import Spacings, slice_distance_of
from medgraft.evaluation.intervals import scores_table
from medgraft.evaluation.metrics import segmentation_row
from medgraft.evaluation.surfaces import Spacing
from medgraft.files import replacing
from medgraft.prediction import Array
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.scores import Scores

BATCH = 8


def evaluate(run: Run, manifest: Manifest, store: PixelStore, observer: Observer) -> Scores:
    """Score the run on its validation and test images and write what was found to its folder.

    Writes ``predictions.csv`` (a row an image), ``predictions/ID.png`` (masks of the test images, at their
    own size and in the values of the training masks) and ``scores.json``, the last one last: a run with
    scores is whole.
    """
    rows: list[dict[str, Any]] = []
    positions = [int(i) for split in ("val", "test") for i in manifest.rows(split)]
    spacings = known_spacings(manifest, positions, observer)
    with ThreadPoolExecutor() as pool:
        for batch in evaluation_loader(store, np.array(positions, dtype=np.int64), BATCH):
            probabilities = run.predictor.probabilities(batch.images)
            jobs = zip(probabilities, batch.rows.tolist(), strict=True)
            rows += pool.map(lambda job: _score(run, manifest, store, spacings[job[1]], *job), jobs)
            observer.working("evaluating", len(rows), len(positions))
    table = pd.DataFrame(rows)
    with replacing(run.folder / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    scores = scores_table(table, samples=run.recipe.bootstrap, seed=run.recipe.seed)
    scores.save(run.folder / "scores.json")
    return scores


def known_spacings(manifest: Manifest, positions: Sequence[int], observer: Observer) -> dict[int, Spacing | None]:
    """How large the pixels of images are, by position, in one unit for all; the image says it, or else its mask.

    All are None where one is not known: an average of distances in mm and in pixels would mean nothing. The observer
    is told where the files differ in that.
    """
    pictures = manifest.table.iloc[list(positions)][["image", "target"]].itertuples(index=False)
    found = Spacings.read(pictures)
    if found.note:
        observer.say(found.note)
    return {position: found[place] for place, position in enumerate(positions)}


def mask_row(
    classes: Array, manifest: Manifest, store: PixelStore, position: int, spacing: Spacing | None
) -> dict[str, Any]:
    """Score one image against its mask: a row of ``predictions.csv``.

    Parameters
    ----------
    classes : [H, W], the predicted class of each pixel, at the mask's own size.
    manifest, store : of the data, with masks.
    position : of the image in both.
    spacing : mm between two rows and two columns, from :func:`known_spacings`; None for scores in pixels.
    """
    entry = manifest.table.iloc[position]
    assert store.classes is not None
    truth = store.classes.encode(read_mask(entry["target"]), entry["target"])
    figures = segmentation_row(classes, truth, store.classes.names, spacing)
    row = manifest.recorded(position) | figures | {"foreground": float((truth > 0).mean())}
    if spacing is None:
        return row
    distance = slice_distance_of(entry["image"])
    return row | {"pixel_mm2": spacing[0] * spacing[1]} | ({} if distance is None else {"slice_mm": distance})


def _score(
    run: Run, manifest: Manifest, store: PixelStore, spacing: Spacing | None, probability: Array, position: int
) -> dict[str, Any]:
    """One row, and for a test image the predicted mask as a file."""
    entry = manifest.table.iloc[position]
    height, width = (int(side) for side in store.sizes[position])
    prediction = run.predictor.at_size(probability, height, width)
    if entry["split"] == "test":
        save_mask(run.folder / "predictions" / f"{entry['id']}.png", prediction.mask)
    return mask_row(prediction.classes, manifest, store, position, spacing)


def save_mask(path: Path, mask: Array) -> None:
    """Write a mask [H, W] of uint8 or uint16 as PNG, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
