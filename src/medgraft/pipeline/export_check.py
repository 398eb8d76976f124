"""What an exported model is worth beside the PyTorch model: how near its numbers are, how fast, what it lost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from medgraft.data import read_image, read_mask, resize_image
from medgraft.evaluation.intervals import paired_difference
from medgraft.evaluation.label_compare import label_findings
from medgraft.evaluation.metrics import segmentation_row
from medgraft.evaluation.resampling import Bootstrap
from medgraft.label_predictor import LabelPredictor
from medgraft.pipeline.evaluating.data import Subject
from medgraft.prediction import Array
from medgraft.predictor import Predictor
from medgraft.progress import Observer
from medgraft.scores import Interval
from medgraft.serving.sessions import Session, as_input

TOLERANCE = 1e-4
"""Largest difference of a probability from PyTorch's, in float32."""

BATCH = 8
TURNS = 5


def largest_difference(predictor: Predictor | LabelPredictor, session: Session, images: Array) -> float:
    """The largest difference of a probability from PyTorch's for images [n, size, size, C] of uint8 or uint16."""
    expected = predictor.probabilities(_tensor(images))
    found = session.run(as_input(images, session.dtype))["probabilities"]
    return float(np.abs(found - expected).max())


def resized_difference(predictor: Predictor | LabelPredictor, session: Session, addresses: Sequence[str]) -> float:
    """The same for images at their own sizes, which the graph resizes and PyTorch is given resized as in training."""
    differences = []
    for address in addresses:
        pixels = read_image(address, predictor.channels, window=predictor.window)
        expected = predictor.probabilities(_tensor(resize_image(pixels, predictor.size)[None]))
        found = session.run(as_input(pixels[None], session.dtype))["probabilities"]
        differences.append(float(np.abs(found - expected).max()))
    return max(differences)


def times_faster(predictor: Predictor | LabelPredictor, session: Session, images: Array) -> float:
    """Throughput on batches of 8 as a multiple of eager PyTorch's: medians of runs that take turns."""
    batch = np.resize(images, (BATCH, *images.shape[1:]))
    tensor, pixels = _tensor(batch), as_input(batch, session.dtype)
    calls: dict[str, Callable[[], Any]] = {
        "torch": lambda: predictor.probabilities(tensor),
        "exported": lambda: session.run(pixels),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(TURNS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first warms both up
                seconds[name].append(time.perf_counter() - start)
    return median(seconds["torch"]) / median(seconds["exported"])


def accuracy_lost(
    predictor: Predictor | LabelPredictor,
    full: Session,
    reduced: Session,
    subject: Subject,
    bootstrap: Bootstrap,
    observer: Observer,
) -> dict[str, Any]:
    """How the score of the reduced model differs from the full one's on the same held-out images.

    Measured on the test images; on the validation images where there are none.

    Returns
    -------
    dict
        ``metric`` (``auc`` or ``dice``), ``full``, ``reduced``, ``split``, and the difference reduced - full with the
        interval of its paired bootstrap: ``value``, ``low``, ``high``, ``n``. ``low`` and ``high`` are None where there
        are too few images for an interval; the whole is empty where the score itself is undefined.
    """
    split = "test" if "test" in subject.rows else next(iter(subject.rows))
    rows, total = subject.rows[split], 2 * len(subject.rows[split])
    found: dict[str, list[dict[str, Any]]] = {"full": [], "reduced": []}
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        images = as_input(np.asarray(subject.store.images[part]), full.dtype)
        for name, session in (("full", full), ("reduced", reduced)):
            probabilities = session.run(images)["probabilities"]
            found[name] += [_row(predictor, subject, *each) for each in zip(part.tolist(), probabilities, strict=True)]
        observer.working("measuring what was lost", sum(map(len, found.values())), total)
    tables = {name: pd.DataFrame(each) for name, each in found.items()}
    metric, scores, difference = _compared(predictor, tables, bootstrap)
    if not math.isfinite(difference.value):
        return {}
    low, high = (end if math.isfinite(end) else None for end in (difference.low, difference.high))
    return {"metric": metric, "split": split, **scores} | {
        "value": difference.value, "low": low, "high": high, "n": difference.n,
    }  # fmt: skip


def _compared(
    predictor: Predictor | LabelPredictor, tables: dict[str, pd.DataFrame], bootstrap: Bootstrap
) -> tuple[str, dict[str, float], Interval]:
    full, reduced = tables["full"], tables["reduced"]
    if isinstance(predictor, LabelPredictor):
        findings = label_findings(tables, bootstrap)
        split = str(full["split"].iloc[0])
        scores = {name: float(findings.scores[name][split]["auc"].value) for name in tables}
        return "auc", scores, findings.differences["reduced"]["auc"].interval
    groups = full["group"].to_numpy() if "group" in full else None
    pairs = reduced["dice"].to_numpy(), full["dice"].to_numpy()
    drawn = paired_difference(*pairs, groups, bootstrap.samples, bootstrap.level, bootstrap.seed)
    return "dice", {name: float(table["dice"].mean()) for name, table in tables.items()}, drawn.interval


def _row(predictor: Predictor | LabelPredictor, subject: Subject, position: int, probability: Array) -> dict[str, Any]:
    known: dict[str, Any] = dict(subject.manifest.recorded(position))
    if isinstance(predictor, LabelPredictor):
        decided = predictor.decide(probability)
        shares = {f"p_{name}": float(p) for name, p in zip(decided.names, probability, strict=True)}
        return known | {"predicted": decided.label} | shares
    target = subject.manifest.table.iloc[position]["target"]
    truth = predictor.classes.encode(read_mask(target), target)
    classes = predictor.at_size(probability, *truth.shape).classes
    return known | segmentation_row(classes, truth, predictor.classes.names)


def _tensor(images: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
