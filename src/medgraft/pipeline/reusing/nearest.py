"""k nearest neighbours at every block, before and after training: scores of a vote among the training images.

Of images with labels the features are pooled over all places. Of images with masks a few places of each are taken,
each with the class of the mask under it, as one label of an image says nothing of its mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medgraft.evaluation.label_compare import label_findings
from medgraft.evaluation.resampling import Bootstrap
from medgraft.pipeline.evaluating.data import Subject
from medgraft.pipeline.reusing.subject import AFTER, BEFORE, Reused, Rows, bank_rows, batches
from medgraft.pipeline.reusing.taken import ImageLabels, PlaceLabels, Taken, Taker
from medgraft.progress import Observer
from medgraft.scores import Interval
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.reuse.neighbours import neighbour_count, vote
from medgraft.transfer.reuse.outputs import block_outputs


@dataclass(frozen=True)
class BlockNeighbours:
    """AUC of the vote at one block; None where the block's output has no places to take, or no class to tell."""

    block: str
    before: Interval | None
    after: Interval | None
    gained: Interval | None
    known: int
    k: int


def neighbours(reused: Reused, subject: Subject, rows: Rows, seed: int, observer: Observer) -> list[BlockNeighbours]:
    """The vote of the training images on the images ``rows``, at each block."""
    known, labels = bank_rows(subject, seed), _labels_of(reused, subject, seed)
    found = {name: _features(reused, name, subject, known, rows, labels, observer) for name in (BEFORE, AFTER)}
    blocks = reused.after.block_names
    return [
        _scored(reused, subject, name, {model: parts[place] for model, parts in found.items()}, labels)
        for place, name in enumerate(blocks)
    ]


def _labels_of(reused: Reused, subject: Subject, seed: int) -> Taker:
    return ImageLabels(reused.run, subject) if reused.run.task == "classification" else PlaceLabels(subject, seed)


@torch.inference_mode()
def _features(
    reused: Reused, model: str, subject: Subject, known: Rows, asked: Rows, labels: Taker, observer: Observer
) -> list[tuple[Taken, Taken] | None]:
    """By block what is known and what is asked; None where a block has nothing to take."""
    encoder, size, done = reused.models[model], reused.predictor.size, 0
    total = len(known) + len(asked)
    parts: list[list[list[Taken | None]]] = []
    with evaluating(encoder):
        for chosen in (known, asked):
            blocks: list[list[Taken | None]] = [[] for _ in encoder.blocks]
            for rows, images in batches(subject, chosen, size):
                for place, output in enumerate(block_outputs(encoder, images)):
                    blocks[place].append(labels.take(rows, output))
                done += len(rows)
                observer.working(f"neighbours {model}", done, total)
            parts.append(blocks)
    return [_pair(one, other) for one, other in zip(*parts, strict=True)]


def _pair(known: list[Taken | None], asked: list[Taken | None]) -> tuple[Taken, Taken] | None:
    joined = [_joined(part) for part in (known, asked)]
    return None if joined[0] is None or joined[1] is None else (joined[0], joined[1])


def _joined(parts: list[Taken | None]) -> Taken | None:
    there = [part for part in parts if part is not None]
    if not there:
        return None
    columns: Iterator[Any] = zip(*((part.features, part.rows, part.labels) for part in there), strict=True)
    return Taken(*(np.concatenate(column) for column in columns))


def _scored(
    reused: Reused, subject: Subject, block: str, models: Mapping[str, tuple[Taken, Taken] | None],
    labels: Taker,
) -> BlockNeighbours:  # fmt: skip
    tables, known = {}, 0
    for name, pair in models.items():
        if pair is not None:
            known = len(pair[0].rows)
            shares = vote(pair[0].features, labels.presence(pair[0]), pair[1].features)
            tables[name] = labels.table(pair[1], shares)
    if len(tables) < len(models):
        return BlockNeighbours(block, None, None, None, 0, 0)
    recipe = reused.run.recipe
    found = label_findings(tables, Bootstrap(recipe.bootstrap, seed=recipe.seed))
    (before,), (after,) = (found.scores[name].values() for name in (BEFORE, AFTER))
    gained = found.differences[AFTER]["auc"].interval if "auc" in found.metrics else None
    return BlockNeighbours(block, before.get("auc"), after.get("auc"), gained, known, neighbour_count(known))
