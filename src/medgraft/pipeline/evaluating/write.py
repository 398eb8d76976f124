"""Putting an evaluation where it belongs: a folder whole or not at all, and a run's files together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data.staging import staging
from medgraft.errors import RunError
from medgraft.files import write_text
from medgraft.report.evaluation_folder import EVALUATION, FINDINGS, read_findings
from medgraft.run import Run
from medgraft.scores import Scores

FOLDER = "new"
_OLD = "old"


def refuse_other(folder: Path) -> None:
    """Raise RunError where ``folder`` holds anything but an earlier evaluation, before any work is done for it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or read_findings(folder) is None:
        raise RunError(
            f"{folder} exists already and is no earlier evaluation, so it is not replaced. Choose another with --out."
        )


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder to write an evaluation into, beside where it will lie; it goes if the work is broken off."""
    there = parent.exists()
    try:
        with staging(parent) as place:
            (place / FOLDER).mkdir()
            yield place / FOLDER
    finally:
        if not there and parent.exists() and not any(parent.iterdir()):
            parent.rmdir()


def write_evaluation(folder: Path, table: pd.DataFrame, scores: Scores, findings: Mapping[str, Any]) -> None:
    """Write the files that the report reads into a folder."""
    table.to_csv(folder / "predictions.csv", index=False)
    scores.save(folder / "scores.json")
    write_text(folder / FINDINGS, json.dumps(findings, indent=2, allow_nan=False) + "\n")


def put(made: Path, target: Path, place: Path) -> None:
    """Rename a folder to ``target``; what was there goes with ``place``, the folder that a :func:`new_folder` is in."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(place / f"{_OLD}-{target.name}")
    made.rename(target)


def update_run(run: Run, made: Path, table: pd.DataFrame, scores: Scores, info: Mapping[str, Any]) -> None:
    """Give a run its new predictions, scores, masks and evaluation, and last what decides of later ones: model.json.

    All files are whole before the first is renamed, so that only a crash between the renames leaves some of the new
    beside some of the old. As a temperature is fitted to the model itself and to nothing that is written here, the
    same command mends that.

    Parameters
    ----------
    made : a folder of a :func:`new_folder` in the run's folder, with the evaluation; ``predictions/`` moves out of it.
    info : entries of ``model.json``.
    """
    place = made.parent
    table.to_csv(place / "predictions.csv", index=False)
    scores.save(place / "scores.json")
    if (made / "predictions").is_dir():
        put(made / "predictions", run.folder / "predictions", place)
    for name in ("predictions.csv", "scores.json"):
        (place / name).replace(run.folder / name)
    put(made, run.folder / EVALUATION, place)
    run.update_model_info(**info)
