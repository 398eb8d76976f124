"""What the report reads of a run: its folder's files as they lie, and nothing of the code that wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.errors import RunError
from medgraft.scores import Interval, Scores, read_predictions

# The split a report speaks of: the first of these that was scored.
PREFERRED_SPLITS = ("test", "val", "train")


@dataclass(frozen=True)
class RunFolder:
    """The contents of a run folder.

    Attributes
    ----------
    path : the folder.
    recipe : text of ``recipe.yaml``.
    environment, model : ``environment.json`` and ``model.json``.
    history : one mapping an epoch, oldest first; may be empty.
    scores : ``scores.json``.
    predictions : ``predictions.csv``, one row an image.
    """

    path: Path
    recipe: str
    environment: Mapping[str, Any]
    model: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    scores: Scores
    predictions: pd.DataFrame

    @property
    def data(self) -> Mapping[str, Any]:
        """What ``environment.json`` says of the data."""
        return _mapping(self.environment.get("data"))

    @property
    def task(self) -> str:
        """What the run does: ``segmentation`` (also where an older folder does not say) or ``classification``."""
        return str(self.model.get("task", "segmentation"))

    @property
    def synthetic(self) -> bool:
        """Whether the images were generated."""
        return bool(self.data.get("synthetic", False))

    @property
    def split(self) -> str | None:
        """The split to speak of: test where it was scored, else val, else train; None without any score."""
        return next((split for split in PREFERRED_SPLITS if self.scores.get(split)), None)

    def with_files(self, places: pd.DataFrame) -> RunFolder:
        """The same with the files of images (and masks) by the rows of ``places``, which has ``id`` and ``image``.

        That is for runs that keep no paths, as these would tell who a patient is.
        """
        columns = ["image", *(["target"] if self.task == "segmentation" else [])]
        files = places.set_index("id").loc[self.predictions["id"], columns].to_numpy()
        found = self.predictions.assign(**dict(zip(columns, files.T, strict=True)))
        return replace(self, predictions=found)

    def rows(self, split: str | None) -> pd.DataFrame:
        """The rows of ``predictions.csv`` that belong to ``split``."""
        if split is None or "split" not in self.predictions:
            return self.predictions.iloc[:0]
        return self.predictions[self.predictions["split"] == split]

    def score(self, split: str | None, metric: str) -> Interval | None:
        """A score with its interval, or None where it was not computed."""
        return self.scores.get(split, {}).get(metric) if split is not None else None


def read_run_folder(path: str | Path) -> RunFolder:
    """Read the files of a run.

    Raises
    ------
    RunError
        Where the folder or one of its files is missing or cannot be read; the message names it.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"{path} is not a run folder; give the folder that a training wrote.")
    return RunFolder(
        path=path,
        recipe=_text(path / "recipe.yaml"),
        environment=_json(path / "environment.json"),
        model=_json(path / "model.json"),
        history=read_history(path / "history.jsonl"),
        scores=Scores.load(path / "scores.json"),
        predictions=_predictions(path / "predictions.csv"),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read ({_reason(error)}); is the run complete?") from error


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(_text(path))
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}); is the run complete?") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} should hold a mapping and holds a {type(value).__name__}.")
    return value


def read_history(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The epochs written so far, none without the file; a last line cut short by a crash is left out."""
    lines = _text(path).splitlines() if path.exists() else []
    epochs: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            epochs.append(json.loads(line))
        except ValueError as error:
            if number == len(lines):
                break
            raise RunError(f"{path}, line {number}, is not valid JSON ({error}).") from error
    return tuple(epochs)


def _predictions(path: Path) -> pd.DataFrame:
    try:
        return read_predictions(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({_reason(error)}); evaluate the run again.") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
