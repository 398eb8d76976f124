"""Scores of a classifier from its table of predictions: by split and by fold, with intervals by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import RunError, listing
from medgraft.evaluation.intervals import group_codes, group_column, split_names
from medgraft.evaluation.label_metrics import LABEL_METRICS, LabelMeasure
from medgraft.evaluation.outcomes import Outcomes, read_outcomes
from medgraft.evaluation.resampling import Bootstrap, Resampled, resample
from medgraft.scores import Interval, Scores

# From this share on it is said that resamples were left out.
MANY = 0.05


@dataclass(frozen=True)
class LabelScores:
    """Scores by split, and what a reader must know of them, such as classes of which there is no image."""

    scores: Scores
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoldScores:
    """Scores of the models of a cross-validation, each on the images held out from it.

    Attributes
    ----------
    scores : by fold (``fold 1``, ``fold 2``, ...), each with its interval.
    mean, deviation : by metric, over the folds where it is defined; NaN where it is in none (mean) or in fewer
        than two (standard deviation, with n - 1).
    notes : what a reader must know.
    """

    scores: Scores
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    notes: tuple[str, ...] = ()


def label_scores(
    table: pd.DataFrame,
    classes: Sequence[str],
    multilabel: bool,
    threshold: float = 0.5,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> LabelScores:
    """Score each split of a table of predictions.

    Parameters
    ----------
    table : a row an image, with the columns ``target`` (text), ``split``, ``p_<class>``, and ``group`` where
        patients are known.
    classes : their names in order; of two the second is the positive one.
    multilabel : whether an image may have several labels, or none.
    threshold : from this probability on a label is given (binary and multi-label).
    samples, level, seed : of the percentile bootstrap by group, whose draws are the same for all scores.

    Returns
    -------
    LabelScores
        The scores that :mod:`~medgraft.evaluation.label_metrics` defines, each with the number of images that
        it rests on. Images of several folds are ranked together.

    Raises
    ------
    RunError
        If the table lacks a column, or a target or a probability is none.
    """
    names = split_names(table)
    if not names:
        raise RunError("scores need rows with a split; evaluate the run again.")
    bootstrap = Bootstrap(samples, level, seed)
    parts = {name: table[table["split"] == name] for name in names}
    found = {
        name: _scores(read_outcomes(rows, classes, multilabel, threshold), group_column(rows), name, bootstrap)
        for name, rows in parts.items()
    }
    notes = [note for _, part in found.values() for note in part]
    for name, rows in parts.items():
        folds = fold_names(rows)
        if len(folds) > 1:
            notes.append(
                f"{name} pools the predictions of {len(folds)} models, one a fold: auc and average_precision rank "
                "images across models, which need not be on one scale; see the folds' own scores."
            )
    return LabelScores(Scores({name: scores for name, (scores, _) in found.items()}), tuple(notes))


def fold_scores(
    table: pd.DataFrame,
    classes: Sequence[str],
    multilabel: bool,
    threshold: float = 0.5,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    split: str = "test",
) -> FoldScores:
    """Score each fold of a cross-validation on its own.

    Parameters
    ----------
    table : as for :func:`label_scores`, with the column ``fold``; a row an image, predicted by the model that
        had not seen it.
    classes, multilabel, threshold, samples, level, seed : as for :func:`label_scores`.
    split : the rows that are scored.

    Raises
    ------
    RunError
        As :func:`label_scores` does, and if there is no fold.
    """
    rows = table[table["split"] == split] if "split" in table.columns else table
    folds = fold_names(rows)
    if not folds:
        raise RunError(f"no {split} row has a fold; cross-validate with --folds.")
    bootstrap = Bootstrap(samples, level, seed)
    parts = {name: rows[chosen] for name, chosen in folds.items()}
    found = {
        name: _scores(read_outcomes(part, classes, multilabel, threshold), group_column(part), name, bootstrap)
        for name, part in parts.items()
    }
    scores = Scores({name: part for name, (part, _) in found.items()})
    metrics = list(next(iter(scores.values())))
    values = {metric: [part[metric].value for part in scores.values()] for metric in metrics}
    return FoldScores(
        scores,
        mean={metric: _over_folds(v, 1, np.mean) for metric, v in values.items()},
        deviation={metric: _over_folds(v, 2, lambda defined: np.std(defined, ddof=1)) for metric, v in values.items()},
        notes=tuple(note for _, part in found.values() for note in part),
    )


def fold_names(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Return which rows are of each fold, [n] by name, in the order of folds; empty where there is no such column."""
    if "fold" not in table.columns:
        return {}
    texts = np.array([_fold_text(fold) for fold in table["fold"]])
    return {f"fold {text}": texts == text for text in sorted(set(texts) - {""}, key=lambda text: (len(text), text))}


def class_notes(outcomes: Outcomes, where: str) -> list[str]:
    """Say which classes have no image, or every image, and what follows for the scores."""
    counts = outcomes.truth.sum(axis=0)
    missing = [name for name, count in zip(outcomes.names, counts, strict=True) if count == 0]
    full = [name for name, count in zip(outcomes.names, counts, strict=True) if count == len(outcomes.truth)]
    notes = []
    if missing and full and not outcomes.multilabel:
        notes.append(f"{where} has images of class {full[0]} only: auc and average_precision are undefined.")
    elif missing:
        rest = len(outcomes.names) - len(missing)
        macro = f"macro scores are over the other {rest}" if rest else "macro scores are undefined"
        notes.append(f"{where} has no image of class {listing(missing)}: {macro}.")
    if full and outcomes.multilabel:
        notes.append(f"every image of {where} has the label {listing(full)}: its auc is undefined and not averaged.")
    return notes


def resample_notes(found: Sequence[Resampled], metrics: Sequence[str], where: str) -> list[str]:
    """Say which scores were undefined in many resamples, so that their intervals rest on the others."""
    shares = {metric: max(resampled.undefined(metric) for resampled in found) for metric in metrics}
    many = {metric: share for metric, share in shares.items() if share > MANY}
    if not many:
        return []
    return [
        f"{where}: {listing(many)} could not be computed in up to {max(many.values()):.0%} of the resamples, in which "
        "a class with few images was not drawn; the interval is of the others (none where they are less than half)."
    ]


def _fold_text(fold: Any) -> str:
    """A fold as text, empty where there is none; folds read from a table with gaps are numbers such as 1.0."""
    if pd.isna(fold):
        return ""
    return str(int(fold)) if isinstance(fold, float) and fold.is_integer() else str(fold)


def _over_folds(values: Sequence[float], least: int, summary: Callable[[Sequence[float]], np.floating[Any]]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(summary(defined)) if len(defined) >= least else math.nan


def _scores(
    outcomes: Outcomes, groups: ArrayLike | None, where: str, bootstrap: Bootstrap
) -> tuple[dict[str, Interval], list[str]]:
    """Scores of these outcomes as one set of images, and notes that say ``where`` they are from."""
    codes = group_codes(groups, len(outcomes.truth))
    measure = LabelMeasure(outcomes, codes)
    (resampled,) = resample([measure], np.zeros(codes.max() + 1, np.int64), bootstrap)
    scores = {name: measure.interval(name, resampled) for name in resampled.values}
    overall = [name for name in scores if name in LABEL_METRICS]
    return scores, [*class_notes(outcomes, where), *resample_notes([resampled], overall, where)]
