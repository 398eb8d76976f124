"""A run's report and model card as they may be handed on: no picture, and no name of a file, patient or folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from medgraft.files import write_text
from medgraft.report.folder import read_run_folder
from medgraft.report.model_card import CARD
from medgraft.report.page import write_report
from medgraft.report.tables import recipe_of
from medgraft.tracking import nameless_options

_NOT_TOLD = ("tracking",)
"""Of environment.json."""


def report_to_hand_on(run_folder: str | Path, folder: Path) -> list[Path]:
    """Write the report and the model card of a run into another ``folder``, for people who may not see its images.

    Left out are pictures, the images' names, patients' names (each becomes a number), the notes on how the data was
    read, as they may name files, and the folders of files in the recipe. Scores, charts and tables are all there.

    Parameters
    ----------
    run_folder : the folder that a training wrote, evaluated.
    folder : made where it does not exist; its name is the run's on the page.

    Returns
    -------
    The paths of ``report.html`` and ``README.md``.

    Raises
    ------
    RunError
        As :func:`~medgraft.report.run_report`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = read_run_folder(run_folder)
    for history in Path(run_folder).glob("fold-*/history.jsonl"):
        write_text(folder / history.parent.name / history.name, history.read_text(encoding="utf-8"))
    told = replace(
        run,
        path=folder,
        recipe=yaml.safe_dump(nameless_options(recipe_of(run)), sort_keys=False, allow_unicode=True),
        environment=_environment(run.environment),
        predictions=_nameless(run.predictions),
    )
    return [write_report(told), folder / CARD]


def _environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in environment.items() if key not in _NOT_TOLD}
    return kept | {"data": dict(kept.get("data", {})) | {"notes": []}}


def _nameless(predictions: pd.DataFrame) -> pd.DataFrame:
    """Numbers for names; the target of a segmentation is the path of a mask, that of a classification a class."""
    told = predictions.assign(id=[f"image {number}" for number in range(1, len(predictions) + 1)], image="")
    if "predicted" not in told and "target" in told:
        told["target"] = ""
    if "group" in told:
        named = told["group"].fillna("").astype(str)
        numbers = pd.factorize(named)[0] + 1
        told["group"] = [f"group {n}" if name.strip() else "" for n, name in zip(numbers, named, strict=True)]
    return told
