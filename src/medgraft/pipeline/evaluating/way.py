"""The way in which images are brought before a model, or before several, for an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.data import evaluation_loader
from medgraft.errors import DataError
from medgraft.inference import Answer, Answerer, Seen, Windows, answerer_of, batches, stream
from medgraft.inference.answer import label_answer, mask_answer
from medgraft.label_predictor import LabelPredictor
from medgraft.pipeline.evaluating.data import Subject
from medgraft.pipeline.evaluating.rows import Row, Rows, split_of
from medgraft.prediction import Prediction
from medgraft.predictor import Predictor
from medgraft.progress import Observer
from medgraft.run import Run

BATCH = 8
AnyPredictor = Predictor | LabelPredictor
Array = npt.NDArray[Any]
Watch = Callable[[int, Array], None]
"""Is shown the position of each image and what was said of it at working size: [C] of labels, else [1 or C, S, S]."""


@dataclass(frozen=True)
class Way:
    """How images are looked at: test-time views, windows, and runs that answer together with the first."""

    tta: str = "none"
    windows: Windows | None = None
    ensemble: tuple[Path, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether one model looks once at each image as a whole, as in training."""
        return self == Way()

    @property
    def words(self) -> list[str]:
        """A word for each thing that is not plain; they go into the names of folders."""
        said = [] if self.tta == "none" else [f"tta-{self.tta.replace(',', '-')}"]
        said += [] if self.windows is None else ["windows"]
        return said + ([f"ensemble-of-{1 + len(self.ensemble)}"] if self.ensemble else [])

    def answerer(self, run: Run) -> Answerer:
        """The models that answer in this way; see :func:`medgraft.inference.answerer_of`."""
        others = [Run(folder) for folder in self.ensemble]
        return answerer_of(run, tta=self.tta, windows=self.windows, others=others)


def predictor_of(run: Run, **changed: Any) -> AnyPredictor:
    """The run's predictor, with some of its settings changed."""
    found: AnyPredictor = run.predictor if run.task == "segmentation" else run.label_predictor
    return replace(found, **changed)


def untempered(run: Run, subject: Subject, split: str, observer: Observer) -> Iterator[tuple[list[int], Array]]:
    """Positions and probabilities of a split's images at a temperature of 1, whatever temperature the run has."""
    predictor, positions, done = predictor_of(run, temperature=1.0), subject.rows[split], 0
    for batch in evaluation_loader(subject.store, positions, BATCH):
        yield batch.rows.tolist(), predictor.probabilities(batch.images)
        done += len(batch.rows)
        observer.working("looking at the validation images", done, len(positions))


def rows_of_store(
    predictor: AnyPredictor, subject: Subject, score: Rows, watch: Watch, observer: Observer
) -> list[Row]:
    """One row for each image of the subject, from its stored pixels, as a training's own evaluation reads them."""
    positions = np.array(list(split_of(subject)), dtype=np.int64)
    rows: list[Row] = []
    with ThreadPoolExecutor() as pool:
        for batch in evaluation_loader(subject.store, positions, BATCH):
            jobs = list(zip(batch.rows.tolist(), predictor.probabilities(batch.images), strict=True))
            for position, said in jobs:
                watch(position, said)
            rows += pool.map(lambda job: score(job[0], _answer(predictor, subject, *job)), jobs)
            observer.working("evaluating", len(rows), len(positions))
    return rows


def rows_of_files(answerer: Answerer, subject: Subject, score: Rows, watch: Watch, observer: Observer) -> list[Row]:
    """The same from the image files, for whatever looks at more of them than is stored.

    Raises
    ------
    DataError
        Where an image cannot be read.
    """
    positions = list(split_of(subject))
    addresses = subject.manifest.table["image"].iloc[positions].tolist()
    place_of = dict(zip(addresses, positions, strict=True))
    side = subject.store.images.shape[1]

    def finish(image: Any, seen: Seen, answer: Answer) -> tuple[int, Row, Array]:
        position = place_of[image]
        return position, score(position, answer), _at_working_size(answer, side)

    rows: list[Row] = []
    for found in stream(answerer, batches(addresses), finish):
        for each in found:
            if isinstance(each, DataError):
                raise each
            position, row, said = each
            watch(position, said)
            rows.append(row)
        observer.working("evaluating", len(rows), len(positions))
    return rows


def _answer(predictor: AnyPredictor, subject: Subject, position: int, said: Array) -> Answer:
    if isinstance(predictor, LabelPredictor):
        return label_answer([said], predictor.classes, predictor.threshold)
    height, width = (int(side) for side in subject.store.sizes[position])
    return mask_answer([said], (height, width), predictor.classes, predictor.threshold)


def _at_working_size(answer: Answer, side: int) -> Array:
    if not isinstance(answer.prediction, Prediction):
        return answer.prediction.probabilities
    found = answer.prediction.probability
    planes = found if found.ndim == 3 else found[None]
    return np.stack([cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA) for plane in planes])
