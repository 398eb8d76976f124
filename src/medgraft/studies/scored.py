"""The scores of a study's cells by seed, as they are and on resamples of the test images, which all cells share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RecipeError, RunError, counted, listing, suggest
from medgraft.evaluation.intervals import group_codes, group_column
from medgraft.evaluation.label_metrics import LABEL_METRICS, LabelMeasure, label_metric_names
from medgraft.evaluation.outcomes import class_names, is_multilabel, read_outcomes
from medgraft.evaluation.resampling import Bootstrap, Measure, Resampled, resample
from medgraft.studies.cell import ALL
from medgraft.studies.folder import Study
from medgraft.studies.summary import told_by

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
SAMPLES = 1000
"""Resamples of the test images: their covariances need fewer than the ends of a percentile interval."""


class Way(NamedTuple):
    """A way of training: the cells that differ in seed and fold alone."""

    encoder: str
    strategy: str
    init: str
    n: str


def way_of(row: Mapping[Any, Any]) -> Way:
    """The way of a row of cells.csv."""
    return Way(*(str(row[name]) for name in Way._fields))


def amount(n: str) -> float:
    """A number of training images as the grid has it, to sort by: all come last."""
    return math.inf if n == ALL else int(n)


@dataclass(frozen=True, eq=False)
class Scored:
    """What the cells of a study scored on its test images.

    Attributes
    ----------
    metric : the score, by its name in ``scores.json``.
    cells : cells.csv, with the score of each cell as ``score`` (NaN where it is not finished).
    by_seed : by way, the score of each seed all of whose folds are finished.
    draws : by way and seed, the same on resamples, the same resamples for all.
    images, groups : test images, and the groups that are drawn; 0 where no cell is finished.
    notes : what a reader must know.
    """

    metric: str
    cells: pd.DataFrame
    by_seed: Mapping[Way, Mapping[int, float]]
    draws: Mapping[Way, Mapping[int, Floats]]
    images: int
    groups: int
    notes: tuple[str, ...] = ()

    @property
    def ways(self) -> list[Way]:
        """By model, then by rising numbers of images, then by initialisation, each in the order of the study's grid."""
        keys = self.cells[list(Way._fields)].itertuples(index=False, name=None)
        found = list(dict.fromkeys(Way(*key) for key in keys))
        models = list(dict.fromkeys((way.encoder, way.strategy) for way in found))
        return sorted(found, key=lambda way: (models.index((way.encoder, way.strategy)), amount(way.n)))

    def of(self, way: Way) -> pd.DataFrame:
        """The cells of a way."""
        chosen = np.logical_and.reduce([self.cells[name] == value for name, value in way._asdict().items()])
        return self.cells[chosen]


def score_study(study: Study, metric: str | None = None, samples: int = SAMPLES) -> Scored:
    """Read what the finished cells of a study scored.

    Parameters
    ----------
    metric : a score that the cells have on test images; None for that which the study remembers, or else AUC, or Dice
        of masks.

    Raises
    ------
    RecipeError
        Where no cell has such a score.
    RunError
        Where a file of the study cannot be read.
    """
    cells = study.cells
    metric = _known_metric(told_by(study.plan, metric)[0].removeprefix("test_"), cells)
    column = f"test_{metric}"
    cells = cells.copy().assign(score=cells.get(column, math.nan))
    tables, notes = _tables(study, cells)
    pooled: dict[tuple[Way, int], pd.DataFrame] = {}
    for key, found in tables.items():
        if len(found) == max(study.plan.grid.folds, 1):
            pooled[key] = pd.concat(found, ignore_index=True).sort_values("id", ignore_index=True)
    pooled, strangers = _on_same_images(pooled)
    images, groups, resampled = _resampled(pooled, metric, samples)
    by_seed: dict[Way, dict[int, float]] = {}
    draws: dict[Way, dict[int, Floats]] = {}
    for (way, seed), scores in resampled.items():
        by_seed.setdefault(way, {})[seed] = scores.values[metric]
        draws.setdefault(way, {})[seed] = scores.draws[metric]
    return Scored(metric, cells, by_seed, draws, images, groups, (*notes, *strangers))


def _known_metric(metric: str, cells: pd.DataFrame) -> str:
    known = [name.removeprefix("test_") for name in cells.columns if name.startswith("test_")]
    if metric not in known and known:
        raise RecipeError(f"metric: no cell has a test score {metric!r}; there are {listing(known)}."
                          f"{suggest(metric, known)}")  # fmt: skip
    return metric


def _tables(study: Study, cells: pd.DataFrame) -> tuple[dict[tuple[Way, int], list[pd.DataFrame]], list[str]]:
    """The test rows of finished cells, by way and seed a table a fold."""
    found: dict[tuple[Way, int], list[pd.DataFrame]] = {}
    lost = []
    for row in cells[cells["status"] == "finished"].to_dict("records"):
        try:
            rows = study.run(row["id"]).predictions
        except RunError:
            lost.append(row["id"])
            continue
        rows = rows[rows["split"] == "test"].assign(fold=int(row["fold"]))
        found.setdefault((way_of(row), int(row["seed"])), []).append(rows)
    if not lost:
        return found, []
    return found, [f"the predictions of {counted(len(lost), 'cell')} cannot be read ({listing(lost, 3)}): their scores "
                   "are in the table, and in no comparison."]  # fmt: skip


def _on_same_images(
    pooled: dict[tuple[Way, int], pd.DataFrame],
) -> tuple[dict[tuple[Way, int], pd.DataFrame], list[str]]:
    """Without those tables that are not of the same test images as most."""
    if not pooled:
        return {}, []
    images = {key: tuple(table["id"]) for key, table in pooled.items()}
    most = Counter(images.values()).most_common(1)[0][0]
    strange = [key for key, own in images.items() if own != most]
    if not strange:
        return pooled, []
    names = listing((f"{way.encoder} {way.init} n={way.n} seed {seed}" for way, seed in strange), 3)
    note = f"{counted(len(strange), 'cell')} tested on other images and in no comparison: {names}."
    return {key: table for key, table in pooled.items() if key not in strange}, [note]


@dataclass(frozen=True, eq=False)
class _Mean:
    """A score that is a mean over images, as a function of how often each group counts."""

    name: str
    images: int
    sums: Floats
    counts: Floats = field(repr=False)

    @classmethod
    def of(cls, name: str, values: Floats, codes: Codes) -> _Mean:
        known = ~np.isnan(values)
        groups = int(codes.max()) + 1
        sums = np.bincount(codes[known], values[known], groups)
        counts = np.bincount(codes[known], minlength=groups)
        return cls(name, len(values), np.asarray(sums, np.float64), np.asarray(counts, np.float64))

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        whole = self.counts @ counts
        found = np.divide(self.sums @ counts, whole, out=np.full_like(whole, np.nan), where=whole > 0)
        return {self.name: found}


def _resampled(
    pooled: Mapping[tuple[Way, int], pd.DataFrame], metric: str, samples: int
) -> tuple[int, int, dict[tuple[Way, int], Resampled]]:
    if not pooled:
        return 0, 0, {}
    first = next(iter(pooled.values()))
    codes = group_codes(group_column(first), len(first))
    folds = first["fold"].to_numpy(dtype=np.int64)
    measures = _measures(pooled.values(), metric, codes, folds)
    if measures is None:
        return len(first), int(codes.max()) + 1, {}
    # A group is drawn within the fold of its first image, as folds are tested by models of their own.
    strata = folds[np.unique(codes, return_index=True)[1]]
    found = resample(measures, strata, Bootstrap(samples))
    return len(first), int(codes.max()) + 1, dict(zip(pooled, found, strict=True))


def _measures(tables: Iterable[pd.DataFrame], metric: str, codes: Codes, folds: Codes) -> list[Measure] | None:
    """The score of each table as a function of draws; None where it is none of those that can be."""
    several = list(tables)
    names = class_names(several[0].columns)
    if not names:
        if any(metric not in table for table in several):
            return None
        return [_Mean.of(metric, table[metric].to_numpy(dtype=np.float64), codes) for table in several]
    multilabel = any(is_multilabel(table, names) for table in several)
    if metric not in (*LABEL_METRICS, *label_metric_names(names, multilabel)):
        return None
    return [LabelMeasure(read_outcomes(table, names, multilabel), codes, folds) for table in several]
