"""What is known of a cell: its row of cells.csv, which is also ``cell.json`` in the folder of a finished one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from medgraft.errors import RunError
from medgraft.files import replacing, write_text
from medgraft.scores import Scores
from medgraft.studies.cell import Cell

Status = Literal["waiting", "finished", "failed"]
COLUMNS = (
    *("id", "data", "encoder", "init", "strategy", "n", "seed", "fold", "lr", "status", "error", "seconds"),
    *("images", "epochs", "trials"),
)
"""Columns of cells.csv before those of the metrics, which are called ``val_METRIC`` and ``test_METRIC``."""
_FILE = "cell.json"


@dataclass(frozen=True)
class Row:
    """A cell and what came of it.

    Attributes
    ----------
    data : the data set's name.
    lr : the learning rate that it kept; None before, and where its head was solved and has none.
    error : why it failed, in one sentence.
    seconds : that all of its trainings and its evaluation took.
    images : training images that it saw.
    epochs : that the training which was kept took.
    tried : every rate that was tried, with its validation score, loss and seconds; also the one that was kept.
    metrics : by split, by name.
    """

    cell: Cell
    data: str
    status: Status = "waiting"
    lr: float | None = None
    error: str = ""
    seconds: float = 0.0
    images: int | None = None
    epochs: int | None = None
    tried: tuple[Mapping[str, Any], ...] = ()
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return own | {"cell": self.cell.to_dict(), "tried": [dict(trial) for trial in self.tried]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Row:
        """The row that :meth:`to_dict` wrote."""
        return cls(**(dict(plain) | {"cell": Cell.from_dict(plain["cell"]), "tried": tuple(plain["tried"])}))

    def entry(self) -> dict[str, Any]:
        """The row of cells.csv."""
        cell = self.cell
        known = {
            "id": cell.id, "data": self.data, "encoder": cell.encoder, "init": cell.init, "strategy": cell.strategy,
            "n": cell.amount, "seed": cell.seed, "fold": cell.fold, "lr": self.lr, "status": self.status,
            "error": self.error, "seconds": round(self.seconds, 3), "images": self.images, "epochs": self.epochs,
            "trials": len(self.tried) or None,
        }  # fmt: skip
        return known | {
            f"{split}_{name}": value for split, found in self.metrics.items() for name, value in found.items()
        }


def keep_row(folder: Path, row: Row) -> None:
    """Write ``cell.json``; a folder that has it is finished."""
    plain = row.to_dict()
    plain["metrics"] = {split: {name: _finite(v) for name, v in found.items()} for split, found in row.metrics.items()}
    write_text(folder / _FILE, json.dumps(plain, indent=2, allow_nan=False) + "\n")


def kept_row(folder: Path) -> Row | None:
    """What :func:`keep_row` wrote; None where the cell is not finished."""
    path = folder / _FILE
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        metrics = {
            split: {name: math.nan if value is None else value for name, value in found.items()}
            for split, found in plain["metrics"].items()
        }
        return Row.from_dict(plain | {"metrics": metrics})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read ({error}); take the folder away and --resume the study.") from None


def metrics_of(scores: Scores) -> dict[str, dict[str, float]]:
    """The values of a run's scores, without their intervals."""
    return {split: {name: found.value for name, found in metrics.items()} for split, metrics in scores.items()}


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write cells.csv, whole or not at all."""
    table = pd.DataFrame([row.entry() for row in rows])
    for name in ("images", "epochs", "trials"):  # whole numbers stay whole where some are missing
        table[name] = table[name].astype("Int64")
    measured = [name for name in table.columns if name not in COLUMNS]
    ordered = sorted(measured, key=lambda name: not name.startswith("test_"))
    with replacing(path) as temporary:
        table[[*COLUMNS, *ordered]].to_csv(temporary, index=False, lineterminator="\n")


def read_table(path: Path) -> pd.DataFrame:
    """Read cells.csv: numbers as numbers, words as they stand (``n`` is a word, as it may be ``all``)."""
    words = ("id", "data", "encoder", "init", "strategy", "n", "status", "error")
    try:
        numbers = [name for name in pd.read_csv(path, nrows=0).columns if name not in words]
        missing = {name: [""] for name in numbers}
        return pd.read_csv(path, dtype=dict.fromkeys(words, str), keep_default_na=False, na_values=missing)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as the cells of a study ({error}).") from None


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
