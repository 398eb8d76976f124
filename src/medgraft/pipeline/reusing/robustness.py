"""What a score loses when blocks are put back, or drawn anew: one model after the other on the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from medgraft.data import LabelClasses, Manifest, PixelStore, evaluation_loader, read_mask
from medgraft.evaluation.findings import Findings, mean_findings
from medgraft.evaluation.label_compare import label_findings
from medgraft.evaluation.resampling import Bootstrap
from medgraft.inference.answer import label_answer
from medgraft.label_predictor import LabelPredictor
from medgraft.pipeline.evaluating.data import Subject
from medgraft.pipeline.evaluating.rows import LabelRows
from medgraft.pipeline.reusing.subject import Reused, Rows, batches
from medgraft.pipeline.tasks import SHOWN
from medgraft.prediction import Array
from medgraft.progress import Observer
from medgraft.scores import Interval
from medgraft.transfer.reuse.reset import before, put_back, redrawn, settled, statistics_moved

Variant = Callable[[], AbstractContextManager[None]]
TRAINED = "trained"
MEASURED = 128
"""Training images at most that running statistics are measured on."""
_BATCH = 16


class Variants:
    """Makes variants of a run's model, with running statistics measured on some of the training images."""

    def __init__(self, reused: Reused, subject: Subject) -> None:
        self.reused, self.subject = reused, subject
        recipe, rows = reused.run.recipe, subject.manifest.rows("train")
        self._rows = np.sort(np.random.default_rng(recipe.seed).permutation(rows)[:MEASURED])

    def put_back(self, *blocks: int) -> Variant:
        """These blocks as they were before training."""
        after, initial = self.reused.after, self.reused.initial
        state = before(after, blocks, initial)
        if not statistics_moved(after, blocks, initial):
            return lambda: put_back(after, blocks, state)
        return self._with(blocks, state)

    def redrawn(self, block: int) -> Variant:
        """One block with weights drawn anew."""
        return self._with((block,), redrawn(self.reused.after, block, self.reused.run.recipe.seed))

    def _with(self, blocks: Sequence[int], state: Mapping[str, Tensor]) -> Variant:
        images = (pixels for _, pixels in batches(self.subject, self._rows, self.reused.predictor.size))
        found = settled(self.reused.after, blocks, state, images)
        return lambda: put_back(self.reused.after, blocks, found)


def score_variants(
    reused: Reused, subject: Subject, rows: Rows, variants: Mapping[str, Variant], what: str, observer: Observer
) -> dict[str, pd.DataFrame]:
    """By variant a row an image, all of the same images in the same order.

    Parameters
    ----------
    rows : positions of the images in the subject's manifest; they are of one split.
    variants : by name; each changes the model for as long as its context lasts.
    """
    score = _label_row(reused, subject, rows) if reused.run.task == "classification" else _MaskScore(reused, subject)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    done, predictor = 0, reused.predictor
    for batch in evaluation_loader(subject.store, rows, _BATCH):
        # What is true is read once for all variants, as masks of large images take long.
        places = [(place, score.truth(place)) for place in batch.rows.tolist()]
        for name, variant in variants.items():
            with variant():
                said = predictor.probabilities(batch.images)
            tables[name] += [score(place, truth, each) for (place, truth), each in zip(places, said, strict=True)]
        done += len(places)
        observer.working(what, done, len(rows))
    return {name: pd.DataFrame(found) for name, found in tables.items()}


def trained_variant() -> AbstractContextManager[None]:
    """The model as it is."""
    return nullcontext()


def losses(reused: Reused, tables: Mapping[str, pd.DataFrame]) -> tuple[Interval, dict[str, Interval]]:
    """The headline score of the trained model, and by variant what is lost of it, by a paired bootstrap of groups.

    Parameters
    ----------
    tables : as :func:`score_variants` gives them, :data:`TRAINED` first.
    """
    recipe, metric = reused.run.recipe, SHOWN[reused.run.task][0][0]
    bootstrap = Bootstrap(recipe.bootstrap, seed=recipe.seed)
    classification = reused.run.task == "classification"
    found: Findings = (label_findings if classification else mean_findings)(tables, bootstrap)
    (scores,) = found.scores[TRAINED].values()
    lost = {name: _turned(difference[metric].interval) for name, difference in found.differences.items()}
    return scores[metric], lost


def nothing_lost(score: Interval) -> Interval:
    """The loss where a block is put back to the very weights that it has."""
    return Interval(0.0, 0.0, 0.0, score.n, score.level)


def _turned(interval: Interval) -> Interval:
    # Taken from 0, as the negative of 0 would be written -0.
    return replace(interval, value=0.0 - interval.value, low=0.0 - interval.high, high=0.0 - interval.low)


class _LabelScore:
    def __init__(self, predictor: LabelPredictor, rows: LabelRows) -> None:
        self.predictor, self.rows = predictor, rows

    def truth(self, place: int) -> Array | None:
        """None: labels are in the manifest."""
        return None

    def __call__(self, place: int, truth: Array | None, said: Array) -> dict[str, Any]:
        return self.rows(place, label_answer([said], self.predictor.classes, self.predictor.threshold))


def _label_row(reused: Reused, subject: Subject, rows: Rows) -> _LabelScore:
    assert isinstance(reused.predictor, LabelPredictor)
    split = str(subject.manifest.table["split"].iloc[int(rows[0])])
    classes = LabelClasses.from_dict(reused.run.model_info["classes"])
    return _LabelScore(reused.predictor, LabelRows(replace(subject, rows={split: rows}), classes))


class _MaskScore:
    """Dice alone, at the mask's own size: distances between outlines take long and are not what is asked for."""

    def __init__(self, reused: Reused, subject: Subject) -> None:
        self.predictor: Any = reused.predictor
        self.manifest: Manifest = subject.manifest
        self.store: PixelStore = subject.store

    def truth(self, place: int) -> Array | None:
        """The mask's classes."""
        assert self.store.classes is not None
        address = self.manifest.table["target"].iloc[place]
        return self.store.classes.encode(read_mask(address), address)

    def __call__(self, place: int, truth: Array | None, said: Array) -> dict[str, Any]:
        assert truth is not None
        height, width = (int(side) for side in self.store.sizes[place])
        found = self.predictor.at_size(said, height, width).classes
        dice = [_dice(found == index, truth == index) for index in range(1, self.predictor.classes.count)]
        return self.manifest.recorded(place) | {"dice": float(np.mean(dice))}


def _dice(predicted: Array, true: Array) -> float:
    """As :mod:`medgraft.evaluation.metrics` defines it: 1 where both are empty."""
    both = int(np.count_nonzero(predicted)) + int(np.count_nonzero(true))
    return 2 * int(np.count_nonzero(predicted & true)) / both if both else 1.0
