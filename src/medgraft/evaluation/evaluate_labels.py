"""Scores of a trained classifier: one row an image, then scores of each split with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from medgraft.data import Manifest, PixelStore, evaluation_loader, scale
from medgraft.evaluation.classification import LabelScores, label_scores
from medgraft.files import replacing
from medgraft.label_predictor import LabelPredictor
from medgraft.models import Classifier
from medgraft.prediction import Array
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.transfer import Features

BATCH = 16
AGREEMENT = 1e-4
"""Largest difference between logits from stored features and from the images, relative to the largest logit."""


def evaluate_labels(
    run: Run, manifest: Manifest, store: PixelStore, observer: Observer, features: Features | None = None
) -> LabelScores:
    """Score the run on its validation and test images and write what was found to its folder.

    Writes ``predictions.csv`` (a row an image) and ``scores.json``, the last one last: a run with scores is whole.

    Parameters
    ----------
    features : of all images, from an encoder that did not learn. Where the model as it was saved gives the same logits
        for the first images, its head alone is run on them; else, as without features, the model on every image.
    """
    predictor = run.label_predictor
    positions = np.array([int(i) for split in ("val", "test") for i in manifest.rows(split)], dtype=np.int64)
    found: list[Array] = []
    for probabilities in _probabilities(predictor, store, positions, features):
        found.append(probabilities)
        observer.working("evaluating", sum(map(len, found)), len(positions))
    rows = [_row(predictor, manifest, *job) for job in zip(positions.tolist(), np.concatenate(found), strict=True)]
    table = pd.DataFrame(rows)
    with replacing(run.folder / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    # Read back, so that scores computed anew from the file are the same to the last digit.
    classes, recipe = predictor.classes, run.recipe
    scored = label_scores(
        run.predictions, classes.names, classes.multilabel, predictor.threshold, recipe.bootstrap, seed=recipe.seed
    )
    scored.scores.save(run.folder / "scores.json")
    return scored


def _probabilities(
    predictor: LabelPredictor, store: PixelStore, positions: np.ndarray, features: Features | None
) -> Iterator[Array]:
    if features is not None and _agree(predictor, store, positions[:BATCH], features):
        yield predictor.of_logits(_from_features(predictor, features, positions))
        return
    for batch in evaluation_loader(store, positions, BATCH):
        yield predictor.probabilities(batch.images)


@torch.inference_mode()
def _from_features(predictor: LabelPredictor, features: Features, positions: np.ndarray) -> torch.Tensor:
    model = predictor.model.eval()
    assert isinstance(model, Classifier)
    size = (predictor.size, predictor.size)
    return model.forward_from([torch.from_numpy(features.view(0, positions))], features.stop, size)


@torch.inference_mode()
def _agree(predictor: LabelPredictor, store: PixelStore, positions: np.ndarray, features: Features) -> bool:
    (batch,) = evaluation_loader(store, positions, len(positions))
    whole = predictor.model.eval()(scale(batch.images))
    difference = (_from_features(predictor, features, positions) - whole).abs().max()
    return bool(difference <= AGREEMENT * whole.abs().max())


def _row(predictor: LabelPredictor, manifest: Manifest, position: int, probabilities: Array) -> dict[str, Any]:
    entry = manifest.table.iloc[position]
    prediction = predictor.decide(probabilities)
    shares = {f"p_{name}": float(p) for name, p in zip(prediction.names, probabilities, strict=True)}
    told = sorted(prediction.label.split("|")) == sorted(str(entry["target"]).split("|"))
    return manifest.recorded(position) | {"predicted": prediction.label} | shares | {"correct": float(told)}
