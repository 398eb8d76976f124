"""Scores of a trained run: one row an image, at the mask's own resolution, then intervals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from medgraft.data import Manifest, PixelStore, evaluation_loader, read_mask
from medgraft.evaluation.intervals import scores_table
from medgraft.evaluation.metrics import segmentation_row
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
    with ThreadPoolExecutor() as pool:
        for batch in evaluation_loader(store, np.array(positions, dtype=np.int64), BATCH):
            probabilities = run.predictor.probabilities(batch.images)
            jobs = zip(probabilities, batch.rows.tolist(), strict=True)
            rows += pool.map(lambda job: _score(run, manifest, store, *job), jobs)
            observer.working("evaluating", len(rows), len(positions))
    table = pd.DataFrame(rows)
    with replacing(run.folder / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    scores = scores_table(table, samples=run.recipe.bootstrap, seed=run.recipe.seed)
    scores.save(run.folder / "scores.json")
    return scores


def _score(run: Run, manifest: Manifest, store: PixelStore, probability: Array, position: int) -> dict[str, Any]:
    """One row, and for a test image the predicted mask as a file."""
    entry = manifest.table.iloc[position]
    height, width = (int(side) for side in store.sizes[position])
    prediction = run.predictor.at_size(probability, height, width)
    assert store.classes is not None
    truth = store.classes.encode(read_mask(entry["target"]), entry["target"])
    if entry["split"] == "test":
        save_mask(run.folder / "predictions" / f"{entry['id']}.png", prediction.mask)
    figures = segmentation_row(prediction.classes, truth, store.classes.names)
    return manifest.recorded(position) | figures | {"foreground": float((truth > 0).mean())}


def save_mask(path: Path, mask: Array) -> None:
    """Write a mask [H, W] of uint8 or uint16 as PNG, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
