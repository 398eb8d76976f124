"""Predictions for very many files: masks and overlays at their own size, or labels, and a table of all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medgraft.errors import DataError, RecipeError
from medgraft.inference import Answerer, Windows, answerer_of
from medgraft.pipeline.predicting.clashes import endings_of, refuse_clashes, refuse_loss
from medgraft.pipeline.predicting.dicom import require_highdicom
from medgraft.pipeline.predicting.inputs import Picture, pictures_of
from medgraft.pipeline.predicting.journal import Journal
from medgraft.pipeline.predicting.rows import Row, checked_table, errors_table, readable, write_errors, write_table
from medgraft.pipeline.predicting.units import MASKS, units_of
from medgraft.pipeline.predicting.work import Work
from medgraft.pipeline.unread import unread
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.training.device import require_device


@dataclass(frozen=True)
class PredictOptions:
    """How predictions are made and what is written of them.

    Attributes
    ----------
    out : the folder for it.
    threshold : probability from which a pixel is foreground, or an image positive; None takes the run's own.
    tta, windows, others : see :func:`medgraft.inference.answerer_of`; ``others`` are run folders.
    masks : ``auto`` (NIfTI of whole volumes, PNG of all else), ``png``, ``nifti`` or ``dicom``.
    overlays : write each image with the outline of its mask, too.
    table : the table of all pictures, ``.csv`` or ``.parquet``; None for ``predictions.csv`` in ``out``.
    resume : go on with what was done before in ``out`` by the same runs and options.
    device : ``cpu``, ``cuda``, ``mps``, or ``auto`` for a GPU where there is one.
    """

    out: Path = Path("predictions")
    threshold: float | None = None
    tta: str = "none"
    windows: Windows | None = None
    others: tuple[Path, ...] = ()
    masks: str = "auto"
    overlays: bool = True
    table: Path | None = None
    resume: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Predicted:
    """What was done.

    Attributes
    ----------
    rows : of the table, in the order of the pictures.
    table : where it is; None where there are no rows.
    failed : address and error of each picture that could not be read.
    errors : the table of those; None where all could be read.
    """

    rows: list[Row]
    table: Path | None
    failed: list[tuple[str, str]] = field(default_factory=list)
    errors: Path | None = None

    def raise_failed(self) -> None:
        """Raise DataError that lists what could not be read, if anything."""
        if self.failed:
            raise unread(self.failed, len(self.rows) + len(self.failed), "read", self.errors)


def predict_files(
    run: str | Path, files: Sequence[str | Path], options: PredictOptions, observer: Observer
) -> Predicted:
    """Predict each picture and write what was found to the folder ``options.out``.

    A table has a row a picture: of labels ``image``, ``predicted`` and ``p_CLASS``, of masks ``image``, ``mask`` (the
    file, relative to the folder), ``area_CLASS``, ``confidence`` and ``entropy``; of several models ``disagreement``
    too. Masks are ``NAME_mask.png`` (or ``.nii.gz``, ``.dcm``) and ``NAME_overlay.png``. What cannot be read is passed
    over and stands in ``errors.csv``.

    Parameters
    ----------
    run : the folder of a run, or of a cross-validation, whose folds answer together.
    files : files, folders and patterns; of a file that holds several pictures each is predicted, of a volume each slice
        along the axis of the training.

    Raises
    ------
    DataError
        Where there is no picture, and where a file in ``options.out`` that no prediction has written would be lost.
        Pictures that cannot be read raise nothing; see :meth:`Predicted.raise_failed`.
    RecipeError, RunError
        For options that cannot be, and runs that do not fit together.
    """
    opened = Run(run)
    _check(options)
    table = checked_table(options.table, options.out)
    pictures = pictures_of(files, opened.recipe.axis, options.out)
    runs = [opened, *map(Run, options.others)]
    answerer = _answerer(runs, options)
    masks = options.masks if answerer.task == "segmentation" else "png"
    units = units_of(pictures, masks)
    journal = Journal(options.out, _settings(runs, answerer, options))
    _refuse_loss(options, pictures, table, answerer, journal.path.is_file())
    options.out.mkdir(parents=True, exist_ok=True)
    if options.resume:
        journal.resume()
    else:
        journal.begin()
    seed = hashlib.sha256(json.dumps(journal.settings).encode()).hexdigest()
    work = Work(answerer, options.out, options.overlays, opened.name, seed, observer)
    rows, failed = work.through(units, journal, len(pictures))
    ordered = [rows[picture.address] for picture in pictures if picture.address in rows]
    if ordered:
        write_table(table, ordered)
        observer.say(str(table))
    missed = [picture.address for picture in pictures if picture.address in failed]
    unread = [(readable(address), readable(failed[address])) for address in missed]
    return Predicted(ordered, table if ordered else None, unread, write_errors(options.out, unread))


def _check(options: PredictOptions) -> None:
    """Raise RecipeError or DataError for options that cannot be, before any work."""
    if options.threshold is not None and not 0 < options.threshold < 1:
        raise DataError(f"--threshold: a probability between 0 and 1 is wanted, not {options.threshold}.")
    if options.out.exists() and not options.out.is_dir():
        raise DataError(f"{options.out} is a file, and a folder is wanted there; choose another with --out.")
    if options.masks not in MASKS:
        raise RecipeError(f"masks: there are {', '.join(MASKS)}, and no {options.masks!r}.")
    if options.masks == "dicom":
        require_highdicom()
    require_device(options.device)


def _refuse_loss(
    options: PredictOptions, pictures: Sequence[Picture], table: Path, answerer: Answerer, begun: bool
) -> None:
    """Raise DataError where a file would be lost that no prediction has written; ``begun``: one was made there."""
    # A table that was named is the user's to write over.
    tables = [] if begun else [errors_table(options.out), *([table] if options.table is None else [])]
    refuse_loss([path for path in tables if path.exists()])
    if answerer.task == "segmentation":
        refuse_clashes(options.out, pictures, endings_of(options.masks, options.overlays), begun)


def _answerer(runs: Sequence[Run], options: PredictOptions) -> Answerer:
    first, *others = runs
    answerer = answerer_of(first, tta=options.tta, windows=options.windows, others=others, threshold=options.threshold)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device == "cuda":
        # The 10 bits of TF32 would move probabilities by a thousandth from those of the evaluation.
        torch.backends.cudnn.allow_tf32 = False
    return answerer.to(device)


def _settings(runs: Sequence[Run], answerer: Answerer, options: PredictOptions) -> dict[str, Any]:
    """All that decides what is written besides the pictures; a prediction is resumed with the same alone."""
    singles = [single for run in runs for single in (run.folds or [run])]
    return {
        "models": [_digest(single.folder / "model.safetensors") for single in singles],
        "temperatures": [member.predictor.temperature for member in answerer.members],
        "threshold": answerer.threshold,
        "tta": [[view.name for view in member.views] for member in answerer.members],
        "windows": [str(member.tiling) for member in answerer.members],
        "masks": options.masks,
        "overlays": options.overlays,
    }


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
