"""What is looked at: the run's encoder before and after training, others beside it, and the images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medgraft.data import scale
from medgraft.data.batches import StoreDataset
from medgraft.errors import DataError, RecipeError, RunError, counted
from medgraft.label_predictor import LabelPredictor
from medgraft.models import Encoder
from medgraft.pipeline.evaluating.data import Subject
from medgraft.predictor import Predictor
from medgraft.run import Run
from medgraft.transfer import encoder_of
from medgraft.transfer.reuse.movement import check_state

Rows = npt.NDArray[np.int64]
InitialState = Callable[[Run], Mapping[str, Tensor]]

BEFORE, AFTER = "before training", "after training"
LEAST_SIMILAR = 16
"""Images below which similarity would be chance."""
LEAST_SCORED = 8
"""Images of a split below which a loss of score would be."""
BANK = 4000
"""Training images at most that neighbours are looked for among."""
_AT_MOST = 64


@dataclass(frozen=True, eq=False)
class Reused:
    """A run with all that its blocks are compared by.

    Attributes
    ----------
    predictor : the trained model, whose encoder is ``after``.
    before, after : the encoder as it was and as it is.
    initial : the state of ``before``.
    others : encoders of further runs, by the runs' names.
    """

    run: Run
    predictor: Predictor | LabelPredictor
    before: Encoder
    after: Encoder
    initial: Mapping[str, Tensor]
    others: Mapping[str, Encoder]

    @property
    def models(self) -> dict[str, Encoder]:
        """All encoders by name, before and after first."""
        return {BEFORE: self.before, AFTER: self.after, **self.others}

    @property
    def pretrained(self) -> int:
        """How many blocks, from the input, began with weights that were learned elsewhere."""
        return self.run.recipe.initialisation.keeps(len(self.after.blocks))

    @property
    def start(self) -> str:
        """What training began from, in words."""
        initialisation, weights = self.run.recipe.initialisation, self.run.model_info.get("weights")
        if weights is None:
            return "random weights"
        made = "" if initialisation.kind == "WT" else f", init {initialisation} ({initialisation.sentence})"
        return f"{weights['source']}{made}"


def open_reused(run: Run, against: Sequence[str | Path], initial_state: InitialState) -> Reused:
    """Open the run and the others.

    Raises
    ------
    RunError
        For a run without an encoder or without trained weights, and for others that see images in another way.
    WeightsError
        Where the state before training cannot be had.
    """
    predictor, after = _trained(run)
    initial = {key.removeprefix("encoder."): tensor for key, tensor in initial_state(run).items()}
    check_state(after, initial)
    before = copy.deepcopy(after)
    before.load_state_dict(initial, strict=False)
    others: dict[str, Encoder] = {}
    for folder in against:
        other = Run(folder)
        name = other.name if other.name not in {run.name, *others} else str(folder)
        if name in others or other.folder.resolve() == run.folder.resolve():
            raise RunError(f"{folder}: a run is named twice; name each run once.")
        theirs, others[name] = _trained(other)
        if (theirs.size, theirs.channels) != (predictor.size, predictor.channels):
            raise RunError(
                f"{folder}: it takes images of {theirs.size} pixels and {counted(theirs.channels, 'channel')}, and "
                f"{run.folder} of {predictor.size} and {predictor.channels}; only runs that see the same pixels are "
                "compared."
            )
    return Reused(run, predictor, before, after, initial, others)


def similar_rows(subject: Subject, split: str, count: int, seed: int) -> Rows:
    """Images to compare features on, in an order drawn by the seed: held-out ones, then training images.

    Raises
    ------
    DataError
        Where there are too few.
    RecipeError
        Where too few are asked for.
    """
    if count < LEAST_SIMILAR:
        raise RecipeError(f"images: at least {LEAST_SIMILAR} are needed to compare features on (got {count}).")
    rng = np.random.default_rng(seed)
    held, training = (
        rng.permutation(rows) for rows in (subject.rows.get(split, _NONE), subject.manifest.rows("train"))
    )
    rows = np.concatenate([held, training])[:count]
    if len(rows) < LEAST_SIMILAR:
        raise DataError(
            f"{subject.manifest.root}: {counted(len(rows), 'image')} to compare features on, and at least "
            f"{LEAST_SIMILAR} are needed; add images."
        )
    return np.asarray(rng.permutation(rows), np.int64)


def scored_rows(subject: Subject, split: str) -> Rows:
    """The images of the split that scores are taken on; raises DataError where there are too few."""
    rows = subject.rows.get(split, _NONE)
    if len(rows) < LEAST_SCORED:
        raise DataError(
            f"{subject.manifest.root}: {counted(len(rows), 'image')} in the split {split}, and at least "
            f"{LEAST_SCORED} are needed to see what a block is worth; add images, or name another split."
        )
    return rows


def bank_rows(subject: Subject, seed: int) -> Rows:
    """Training images that neighbours are looked for among, drawn by the seed where there are very many."""
    rows = subject.manifest.rows("train")
    return np.sort(np.random.default_rng(seed).permutation(rows)[:BANK])


def batches(subject: Subject, rows: Rows, size: int) -> Iterator[tuple[list[int], Tensor]]:
    """Numbers and pixels [n, C, size, size] in [0, 1] of batches of nearly equal sizes.

    Of larger images fewer at once, so that a batch takes about the same memory.
    """
    most = max(16, min(_AT_MOST, round(_AT_MOST * (256 / size) ** 2)))
    dataset = StoreDataset(subject.store)
    for part in np.array_split(rows, -(-len(rows) // most)):
        batch = dataset.__getitems__([(0, int(row)) for row in part])
        yield part.tolist(), scale(batch.images)


def _trained(run: Run) -> tuple[Predictor | LabelPredictor, Encoder]:
    predictor = run.predictor if run.task == "segmentation" else run.label_predictor
    encoder = encoder_of(predictor.model)
    if encoder is None:
        raise RunError(
            f"{run.folder}: the model {run.recipe.model} has no encoder whose blocks could be reused; train one that "
            "has, such as encoder_unet."
        )
    return predictor, encoder


_NONE = np.empty(0, np.int64)
