"""What a report shows of a cross-validation: scores of each fold, of all pooled, and how they spread."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.report.folder import RunFolder, read_history
from medgraft.report.label_tables import class_metrics
from medgraft.report.wording import spoken
from medgraft.scores import Interval


@dataclass(frozen=True)
class FoldRow:
    """A metric: pooled, the mean and standard deviation (n - 1) over folds, and each fold's own."""

    metric: str
    pooled: Interval | None
    mean: float
    deviation: float
    folds: list[Interval | None]


def is_cross_validation(run: RunFolder) -> bool:
    """Whether the folder holds folds rather than one model: it scores each of them."""
    return bool(_fold_names(run))


def fold_table(run: RunFolder, names: Sequence[str]) -> dict[str, Any] | None:
    """The scores by fold, without those of single classes; None for an ordinary run.

    Returns
    -------
    ``names`` of the folds, ``links`` to their reports (empty where there is none) and ``rows``.
    """
    folds = _fold_names(run)
    if not folds:
        return None
    single = set(class_metrics(names))
    found = [run.scores.get(fold, {}) for fold in (run.split or "test", *folds)]
    metrics = list(dict.fromkeys(metric for scores in found for metric in scores if metric not in single))
    links = [f"{_folder(fold)}/report.html" for fold in folds]
    return {
        "names": folds,
        "links": [link if (run.path / link).is_file() else "" for link in links],
        "rows": [_row(run, metric, folds) for metric in metrics],
    }


def fold_verdict(run: RunFolder, metric: str) -> list[str]:
    """A sentence on how the folds differ in a metric; none where fewer than two have it."""
    row = _row(run, metric, _fold_names(run))
    if math.isnan(row.deviation):
        return []
    return [
        f"Each of the {len(row.folds)} models on its own images: {spoken(metric)} {row.mean:.3f} in the mean, with a "
        f"standard deviation of {row.deviation:.3f}."
    ]


def fold_histories(run: RunFolder) -> list[tuple[Mapping[str, Any], ...]]:
    """The histories of the folds, in order; empty ones where a fold's folder is gone."""
    return [read_history(run.path / _folder(fold) / "history.jsonl") for fold in _fold_names(run)]


def _row(run: RunFolder, metric: str, folds: Sequence[str]) -> FoldRow:
    found = [run.scores[fold].get(metric) for fold in folds]
    values = [score.value for score in found if score is not None and not math.isnan(score.value)]
    mean = statistics.fmean(values) if values else math.nan
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return FoldRow(metric, run.score(run.split, metric), mean, deviation, found)


def _fold_names(run: RunFolder) -> list[str]:
    """``fold 1``, ``fold 2``, ... as they stand among the scores, in the order of their numbers."""
    numbered = [(int(found[1]), name) for name in run.scores if (found := re.fullmatch(r"fold (\d+)", name))]
    return [name for _, name in sorted(numbered)]


def _folder(fold: str) -> str:
    return fold.replace(" ", "-")
