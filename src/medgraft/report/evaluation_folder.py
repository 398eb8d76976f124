"""What the report reads of an evaluation: its folder's files as they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medgraft.errors import RunError
from medgraft.report.folder import RunFolder
from medgraft.scores import Scores, read_predictions

EVALUATION = "evaluation"
"""The folder, in that of a run, with the evaluation of its own held-out images."""
FINDINGS = "evaluation.json"
KIND = "evaluation"
EXTERNAL = "external"
"""The split that images of other data are in."""


@dataclass(frozen=True)
class EvaluationFolder:
    """An evaluation.

    Attributes
    ----------
    path : its folder.
    findings : ``evaluation.json``; see docs/how-to/evaluate.md for what it holds.
    run : what was scored, in the form in which a run's report reads it: the split that is spoken of, the model's
        classes and threshold, scores and predictions.
    masks : the folder below which predicted masks lie, in ``predictions/``.
    """

    path: Path
    findings: Mapping[str, Any]
    run: RunFolder
    masks: Path

    @property
    def split(self) -> str:
        """The split that the report speaks of."""
        return str(self.findings["split"])

    @property
    def own(self) -> bool:
        """Whether the images are held-out ones of the training's own data."""
        return bool(self.findings["own"])


def read_findings(folder: Path) -> dict[str, Any] | None:
    """``evaluation.json`` of a folder; None where there is none, or it is of something else."""
    try:
        found = json.loads((folder / FINDINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == KIND else None


def read_evaluation(folder: Path, masks: Path | None = None) -> EvaluationFolder:
    """Read an evaluation; ``masks`` is where predicted masks lie, if not in the folder itself.

    Raises
    ------
    RunError
        Where the folder holds no evaluation, or not a whole one.
    """
    findings = read_findings(folder)
    if findings is None:
        raise RunError(f"{folder}: no evaluation in this folder; medgraft evaluate writes one.")
    try:
        predictions = read_predictions(folder / "predictions.csv")
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / 'predictions.csv'} cannot be read ({error}); evaluate the run again.") from None
    reading = {name: findings["reading"].get(name) for name in ("group", "window") if findings["reading"].get(name)}
    run = RunFolder(
        path=folder,
        recipe=yaml.safe_dump(reading),
        environment={"data": findings["data"]},
        model=findings["model"],
        history=(),
        scores=Scores.load(folder / "scores.json"),
        predictions=predictions,
    )
    return EvaluationFolder(folder, findings, run, masks or folder)
