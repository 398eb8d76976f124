"""What is found on the images that runs have in common, where a score is a mean over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError
from medgraft.evaluation.delong import AucDifference
from medgraft.evaluation.intervals import PairedDifference, group_column, paired_difference, scores_table
from medgraft.evaluation.metrics import metric_columns
from medgraft.evaluation.resampling import Bootstrap
from medgraft.scores import Scores, lower_is_better


@dataclass(frozen=True)
class Findings:
    """Scores and differences of runs on the same images; see :class:`~medgraft.evaluation.compare.Comparison`."""

    metrics: tuple[str, ...]
    scores: Mapping[str, Scores]
    differences: Mapping[str, Mapping[str, PairedDifference]]
    wins: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    delong: Mapping[str, Mapping[str, AucDifference]] = field(default_factory=dict)


def mean_findings(rows: Mapping[str, pd.DataFrame], bootstrap: Bootstrap) -> Findings:
    """Compare runs by metrics that each image has a value of.

    Parameters
    ----------
    rows : by run, the same images in the same order, with ``id``, ``split``, the metrics, and ``group`` in all
        or none.
    bootstrap : of the intervals.

    Raises
    ------
    RunError
        If the runs have no metric in common.
    """
    metrics = _common_metrics(rows)
    first, *others = rows
    samples, level, seed = bootstrap.samples, bootstrap.level, bootstrap.seed
    groups = group_column(rows[first])
    differences = {
        name: {m: _difference(m, rows[name][m], rows[first][m], groups, bootstrap) for m in metrics} for name in others
    }
    columns = ["id", "split", *(["group"] if groups is not None else []), *metrics]
    scores = {name: scores_table(table[columns], samples, level, seed) for name, table in rows.items()}
    wins = {metric: wins_alone({name: _goodness(metric, table) for name, table in rows.items()}) for metric in metrics}
    return Findings(metrics, scores, differences, wins, rows)


def wins_alone(values: Mapping[str, NDArray[np.float64]]) -> dict[str, int]:
    """Return by run on how many images it alone is highest, of values by run and image."""
    table: NDArray[np.float64] = np.stack([np.asarray(column, dtype=np.float64) for column in values.values()])
    ordered = np.sort(table, axis=0)
    # NaN sorts last and makes this comparison false: an image that is undefined for one run has no winner.
    alone = ordered[-1] - ordered[-2] > 1e-9
    best = table.argmax(axis=0)
    return {name: int(np.sum(alone & (best == index))) for index, name in enumerate(values)}


def _difference(
    metric: str, values: pd.Series, others: pd.Series, groups: NDArray[Any] | None, bootstrap: Bootstrap
) -> PairedDifference:
    """The paired difference, with images counted as better where the value is the better one."""
    found = paired_difference(values, others, groups, bootstrap.samples, bootstrap.level, bootstrap.seed)
    return replace(found, better=found.worse, worse=found.better) if lower_is_better(metric) else found


def _goodness(metric: str, table: pd.DataFrame) -> NDArray[np.float64]:
    """[n], the values of a metric, turned where that is needed for the highest to be the best."""
    values = table[metric].to_numpy(dtype=np.float64)
    return -values if lower_is_better(metric) else values


def _common_metrics(rows: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    first: Sequence[str] = metric_columns(next(iter(rows.values())).columns)
    metrics = tuple(m for m in first if all(m in table.columns for table in rows.values()))
    if not metrics:
        raise RunError("the runs have no metric in common; evaluate them again.")
    return metrics
