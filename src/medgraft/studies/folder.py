"""Study: the folder that a study leaves behind, and how to open it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from medgraft.errors import MedgraftError, RunError
from medgraft.files import write_text
from medgraft.recipe import Recipe
from medgraft.run import Run
from medgraft.studies.cell import Cell
from medgraft.studies.grid import Grid
from medgraft.studies.row import Row, read_table, write_table
from medgraft.studies.terms import Terms
from medgraft.version import __version__

FORMAT = 1
"""Version of the folder's layout; a reader refuses a newer one."""
_FILE = "study.yaml"


@dataclass(frozen=True)
class Plan:
    """All that decides a study, as ``study.yaml`` holds it.

    Attributes
    ----------
    data : of the data set, ``name``, ``root``, number of ``images`` and the ``digest`` by which it is known again.
    grid : the cells.
    terms : the learning rates that each of them may try.
    recipe : every other option, complete. What the cells differ in (encoder, strategy, rates and so on) has no
        meaning here.
    choices : by encoder and strategy, the engine, precision and layout that all such cells run with.
    metric : the score that the study is told by, as ``kappa``; None for AUC, or Dice of masks. It decides nothing in
        training, so a folder of an earlier version that does not say it is read as None.
    """

    data: Mapping[str, Any]
    grid: Grid
    terms: Terms
    recipe: Recipe
    choices: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    metric: str | None = None

    def recipe_of(self, cell: Cell, rate: float, split_file: Path | None = None) -> Recipe:
        """The recipe of a cell at a learning rate, as ``medgraft fit`` takes it.

        Raises RecipeError where its options contradict each other.
        """
        return Recipe.make(
            self.recipe,
            encoder=cell.encoder_name,
            weights=cell.weights or self.recipe.weights,
            init=cell.init,
            strategy=cell.strategy,
            train_images=cell.n,
            seed=cell.seed,
            split_file=None if split_file is None else str(split_file.absolute()),
            **self.terms.options(rate),
            **self.choices.get((cell.encoder, cell.strategy), {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        chosen = [{"encoder": e, "strategy": s, **found} for (e, s), found in self.choices.items()]
        recipe = {name: value for name, value in self.recipe.options().items() if name not in AXES}
        return {
            "format": FORMAT, "medgraft": __version__, "data": dict(self.data), "grid": self.grid.to_dict(),
            "terms": self.terms.to_dict(), "metric": self.metric, "choices": chosen, "recipe": recipe,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Plan:
        """The plan that :meth:`to_dict` wrote."""
        choices = {
            (entry["encoder"], entry["strategy"]): {k: v for k, v in entry.items() if k not in ("encoder", "strategy")}
            for entry in plain["choices"]
        }
        recipe = Recipe.make(**plain["recipe"])
        grid, terms = Grid.from_dict(plain["grid"]), Terms.from_dict(plain["terms"])
        return cls(plain["data"], grid, terms, recipe, choices, plain.get("metric"))


AXES = frozenset(
    {
        *("encoder", "init", "strategy", "train_images", "folds", "split_file"),
        *("lr", "encoder_lr", "decay"),
    }
)
"""Options of a recipe that the grid and the terms of a study decide."""


class Study:
    """A study's folder.

    It holds ``study.yaml`` (the plan), ``split.csv`` (or ``splits/``, one a fold), ``cells.csv`` (a row a cell) and
    ``cells/ID/``, each an ordinary run that every command on runs takes.

    Examples
    --------
    >>> study = Study("studies/xrays")  # doctest: +SKIP
    >>> study.cells.groupby(["init", "n"])["test_auc"].mean()  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.is_one(self.folder):
            raise RunError(f"{self.folder}: not a study's folder (it has no {_FILE}); give one that a study wrote.")

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Whether the folder is a study's."""
        return (folder / _FILE).is_file()

    @classmethod
    def create(cls, folder: Path, plan: Plan) -> Study:
        """Make a study's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, plan)
        return cls(folder)

    def __repr__(self) -> str:
        return f"Study({str(self.folder)!r})"

    @cached_property
    def plan(self) -> Plan:
        """What was to be done; raises RunError where a newer version wrote the folder, or nobody did."""
        path = self.folder / _FILE
        try:
            plain = yaml.safe_load(path.read_text(encoding="utf-8"))
            written = int(plain["format"])
            if written <= FORMAT:
                return Plan.from_dict(plain)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, MedgraftError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise RunError(f"{path} cannot be read as a study ({reason}).") from None
        raise RunError(
            f"{self.folder} was written by a newer version (medgraft {plain.get('medgraft')}, study format {written}; "
            f"this is medgraft {__version__}, format {FORMAT}). Upgrade medgraft to open it."
        )

    def change(self, plan: Plan) -> None:
        """Write another plan, with more cells or choices."""
        _write(self.folder, plan)
        self.__dict__.pop("plan", None)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def cells(self) -> pd.DataFrame:
        """cells.csv: a row a cell with its id, axes, status and scores."""
        return read_table(self.folder / "cells.csv")

    @property
    def failed(self) -> dict[str, str]:
        """Why cells failed, by their ids."""
        table = self.cells
        table = table[table["status"] == "failed"]
        return dict(zip(table["id"], table["error"], strict=True))

    def write_cells(self, rows: Iterable[Row]) -> None:
        """Write cells.csv, whole or not at all."""
        write_table(self.folder / "cells.csv", rows)

    def place(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.folder / "cells" / cell.id

    def run(self, cell: Cell | str) -> Run:
        """The run of a finished cell, or of that with the given id; RunError where there is none."""
        return Run(self.folder / "cells" / (cell if isinstance(cell, str) else cell.id))

    def report(self, metric: str | None = None, others: Sequence[Study | str | Path] = ()) -> Path:
        """Write ``report.html`` and ``report/``; see :func:`~medgraft.studies.report.study_report`.

        Of a study that compares sources it is their ranking; see
        :func:`~medgraft.studies.sources_report.sources_report`.
        """
        from medgraft.studies.sources_report import compares_sources, sources_report

        if compares_sources(self) and not others:
            return sources_report(self, metric)
        from medgraft.studies.report import study_report

        return study_report(self, metric=metric, others=others)

    @property
    def page(self) -> Path:
        """Where :meth:`report` writes the page."""
        return self.folder / "report.html"

    def split_file(self, fold: int = 0) -> Path:
        """Where the split that all cells (of a fold) share is."""
        return self.folder / "splits" / f"fold-{fold}.csv" if fold else self.folder / "split.csv"


def _write(folder: Path, plan: Plan) -> None:
    write_text(folder / _FILE, yaml.safe_dump(plan.to_dict(), sort_keys=False, allow_unicode=True))
