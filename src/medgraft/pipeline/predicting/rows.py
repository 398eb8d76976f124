"""The tables of a prediction: a row a picture, and a row for each that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medgraft.data import MaskClasses
from medgraft.errors import EngineError, RecipeError
from medgraft.files import replacing
from medgraft.inference import Answer
from medgraft.prediction import LabelPrediction, Prediction

TABLE, ERRORS = "predictions.csv", "errors.csv"
_ENDINGS = (".csv", ".parquet")

Row = dict[str, Any]


def label_row(address: str, answer: Answer) -> Row:
    """``image``, ``predicted``, ``p_CLASS`` of each class, and of several models their ``disagreement``."""
    prediction = answer.prediction
    assert isinstance(prediction, LabelPrediction)
    shares = {f"p_{name}": float(p) for name, p in zip(prediction.names, prediction.probabilities, strict=True)}
    return {"image": address, "predicted": prediction.label} | shares | _doubt(answer)


def mask_row(address: str, mask: str, answer: Answer, classes: MaskClasses) -> Row:
    """``image``, ``mask``, ``area_CLASS`` (share of the image) of each class but the background, and how sure it is."""
    prediction = answer.prediction
    assert isinstance(prediction, Prediction)
    counts = np.bincount(prediction.classes.ravel(), minlength=classes.count) / prediction.classes.size
    areas = {f"area_{name}": float(share) for name, share in zip(classes.names[1:], counts[1:], strict=True)}
    sure = {"confidence": answer.confidence, "entropy": answer.entropy}
    return {"image": address, "mask": mask} | areas | sure | _doubt(answer)


def _doubt(answer: Answer) -> Row:
    return {} if answer.disagreement is None else {"disagreement": answer.disagreement}


def checked_table(path: Path | None, out: Path) -> Path:
    """Where the table goes; raises RecipeError for a kind of file that is none, EngineError where pyarrow lacks."""
    path = out / TABLE if path is None else path
    if path.suffix.lower() not in _ENDINGS:
        raise RecipeError(f"table: {path.name} is neither .csv nor .parquet.")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise EngineError(
            "a table in Parquet needs pyarrow, which is not installed: pip install 'medgraft[parquet]', or write .csv."
        )
    return path


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV or Parquet, whole or not at all."""
    frame = pd.DataFrame(list(rows))
    with replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)


def write_errors(out: Path, failed: Sequence[tuple[str, str]]) -> Path | None:
    """Write ``errors.csv`` (``image``, ``error``), or take away the one of an earlier time; returns its path."""
    path = errors_table(out)
    if not failed:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as temporary:
        pd.DataFrame(failed, columns=["image", "error"]).to_csv(temporary, index=False)
    return path


def errors_table(out: Path) -> Path:
    """Where the table of what could not be read lies."""
    return out / ERRORS


def readable(text: str) -> str:
    """A system may name a file by any bytes; those that are no text are written as numbers."""
    return text.encode("utf-8", "backslashreplace").decode()
