"""A study in a few lines: mean and standard deviation of the test score, by initialisation and number of images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from medgraft.pipeline.tasks import SHOWN
from medgraft.recipe import Task
from medgraft.report.wording import metric_name
from medgraft.studies.cell import ALL
from medgraft.studies.folder import Plan, Study


@dataclass(frozen=True)
class Score:
    """The test scores of the cells that differ in seed and fold alone.

    Attributes
    ----------
    mean, sd : over ``cells`` finished ones; NaN for none, and for the sd of one.
    of : how many there are in all.
    """

    encoder: str
    strategy: str
    init: str
    n: str
    mean: float
    sd: float
    cells: int
    of: int

    def __str__(self) -> str:
        if not self.cells:
            return "-"
        spread = "" if math.isnan(self.sd) else f" ± {self.sd:.3f}"
        fewer = f" ({self.cells} of {self.of})" if self.cells < self.of else ""
        return f"{self.mean:.3f}{spread}{fewer}"


def headline_metric(task: Task, metric: str | None = None) -> tuple[str, str]:
    """The test score that a study is told by: its column in cells.csv, and what it is called.

    ``metric`` names it; None for AUC, or Dice of masks.
    """
    if metric is not None:
        return f"test_{metric}", metric_name(metric)
    metric, title = SHOWN[task][0]
    return f"test_{metric}", title


def told_by(plan: Plan, metric: str | None = None) -> tuple[str, str]:
    """What :func:`headline_metric` says of a study: by ``metric``, or else by the one that the study remembers."""
    task: Any = plan.recipe.task
    return headline_metric(task, metric or plan.metric)


def scores_of(study: Study, metric: str | None = None) -> list[Score]:
    """The scores of a study, in the order of its grid."""
    column, _ = told_by(study.plan, metric)
    table = study.cells
    values = table[column] if column in table else pd.Series(math.nan, index=table.index)
    keys = [table[name] for name in ("encoder", "strategy", "init", "n")]
    return [_score(key, found) for key, found in values.groupby(keys, sort=False)]


def _score(key: Any, found: pd.Series) -> Score:
    encoder, strategy, init, n = map(str, key)
    mean, sd = float(found.mean()), float(found.std(ddof=1))
    return Score(encoder, strategy, init, n, mean, sd, int(found.notna().sum()), len(found))


def table_of(study: Study, metric: str | None = None) -> str:
    """The scores as text, a row an initialisation and a column a number of images."""
    found = scores_of(study, metric)
    sizes = list(dict.fromkeys(score.n for score in found))
    several = len({(score.encoder, score.strategy) for score in found}) > 1
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for score in found:
        key = (f"{score.encoder} {score.strategy} {score.init}" if several else score.init,)
        rows.setdefault(key, {})[score.n] = str(score)
    title = f"test {told_by(study.plan, metric)[1]}"
    head = [title, *(ALL if size == ALL else f"n = {size}" for size in sizes)]
    lines = [head, *([*key, *(by_size.get(size, "-") for size in sizes)] for key, by_size in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("   ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def plain_summary(study: Study, metric: str | None = None) -> dict[str, Any]:
    """The same for programs."""
    scores = [{name: _finite(value) for name, value in vars(score).items()} for score in scores_of(study, metric)]
    failed = [{"id": name, "error": error} for name, error in study.failed.items()]
    return {"folder": str(study.folder), "metric": told_by(study.plan, metric)[0], "scores": scores, "failed": failed}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
