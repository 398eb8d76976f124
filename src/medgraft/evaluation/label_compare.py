"""What is found on the images that classifiers have in common: differences of scores that no single image has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError
from medgraft.evaluation.classification import class_notes, fold_names, resample_notes
from medgraft.evaluation.delong import AucDifference, delong
from medgraft.evaluation.findings import Findings, wins_alone
from medgraft.evaluation.intervals import PairedDifference, group_codes, group_column, paired_counts
from medgraft.evaluation.label_metrics import LABEL_METRICS, RANKED, LabelMeasure
from medgraft.evaluation.outcomes import Outcomes, class_names, is_multilabel, read_outcomes
from medgraft.evaluation.resampling import Bootstrap, Resampled, resample
from medgraft.scores import Scores

Codes = NDArray[np.int64]

# What stands for a score on a single image, where images are counted on which a run is better.
BY_IMAGE: dict[str, str] = {
    metric: "true_probability" if metric in (*RANKED, "brier") else "correct" for metric in LABEL_METRICS
}


def label_findings(rows: Mapping[str, pd.DataFrame], bootstrap: Bootstrap) -> Findings:
    """Compare classifiers on the same images.

    All scores of all runs are computed on the same resamples of groups. On single images runs are compared by the
    probability that the truth was given (auc, average_precision, brier) or by whether the decision is right (the
    others); both become columns of the rows: ``true_probability`` and ``correct``.

    Parameters
    ----------
    rows : by run, the same images in the same order, with ``target``, ``predicted``, ``split``, ``p_<class>`` of
        the same classes, and ``group`` in all or none. Where all have the same ``fold``, images are ranked and
        resampled within folds.
    bootstrap : of the intervals.

    Raises
    ------
    RunError
        If a table lacks a column, or a target, decision or probability is none.
    """
    first, *others = rows
    outcomes = _outcomes(rows)
    folds, notes = _common_folds(rows)
    groups = group_column(rows[first])
    codes = group_codes(groups, len(rows[first]))
    measures = {name: LabelMeasure(found, codes, folds) for name, found in outcomes.items()}
    resampled = dict(zip(rows, resample(list(measures.values()), _strata(codes, folds), bootstrap), strict=True))
    metrics = tuple(metric for metric in LABEL_METRICS if metric in resampled[first].values)
    rows = {
        name: table.assign(
            true_probability=outcomes[name].true_probability, correct=outcomes[name].correct.astype(float)
        )
        for name, table in rows.items()
    }
    where = str(rows[first]["split"].iloc[0])
    notes += [
        *_group_notes(codes),
        *class_notes(outcomes[first], where),
        *resample_notes(list(resampled.values()), metrics, where),
    ]
    return Findings(
        metrics,
        scores={name: _scores(where, measures[name], found) for name, found in resampled.items()},
        differences={name: _differences(rows, resampled, metrics, name, first) for name in others},
        wins={m: wins_alone({name: table[BY_IMAGE[m]].to_numpy() for name, table in rows.items()}) for m in metrics},
        rows=rows,
        notes=tuple(notes),
        delong={name: _delong(outcomes[name], outcomes[first], codes, folds) for name in others},
    )


def _outcomes(rows: Mapping[str, pd.DataFrame]) -> dict[str, Outcomes]:
    """Outcomes by run; the decisions are the runs' own."""
    names = class_names(next(iter(rows.values())).columns)
    several = []
    for name, table in rows.items():
        with _naming(name):
            several.append(is_multilabel(table, names))
    found = {}
    for name, table in rows.items():
        with _naming(name):
            found[name] = read_outcomes(table, names, any(several))
    return found


@contextmanager
def _naming(run: str) -> Iterator[None]:
    """Say of which run an error is."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{run}: {error}") from error


def _common_folds(rows: Mapping[str, pd.DataFrame]) -> tuple[Codes | None, list[str]]:
    """The fold of each image, where all runs have the same several folds, and what follows."""
    by_run = [fold_names(table) for table in rows.values()]
    if max(map(len, by_run)) < 2:
        return None, []
    codes = [_codes(folds, len(table)) for folds, table in zip(by_run, rows.values(), strict=True)]
    if all(np.array_equal(codes[0], other) for other in codes[1:]):
        note = (
            f"auc and average_precision are means over the {len(by_run[0])} folds of the score within the fold, "
            "since each fold has a model of its own."
        )
        return codes[0], [note]
    note = (
        "the runs' folds differ, so auc and average_precision rank images across folds, whose models need not be on "
        "one scale; compare runs with the same --folds and --seed."
    )
    return None, [note]


def _group_notes(codes: Codes) -> list[str]:
    groups = len(np.unique(codes))
    if groups == len(codes):
        return []
    return [f"DeLong's test takes the images of a group together ({groups} groups of {len(codes)} images)."]


def _codes(folds: Mapping[str, NDArray[np.bool_]], n: int) -> Codes:
    """Number the folds; an image without one is in fold -1."""
    codes = np.full(n, -1, dtype=np.int64)
    for index, chosen in enumerate(folds.values()):
        codes[chosen] = index
    return codes


def _with_stand_ins(table: pd.DataFrame, outcomes: Outcomes) -> pd.DataFrame:
    return table.assign(true_probability=outcomes.true_probability, correct=outcomes.correct.astype(np.float64))


def _strata(codes: Codes, folds: Codes | None) -> Codes:
    """The fold of each group, for draws within folds; a group of several folds is in that of its first image."""
    if folds is None:
        return np.zeros(codes.max() + 1, dtype=np.int64)
    return folds[np.unique(codes, return_index=True)[1]]


def _scores(where: str, measure: LabelMeasure, resampled: Resampled) -> Scores:
    return Scores({where: {name: measure.interval(name, resampled) for name in resampled.values}})


def _differences(
    rows: Mapping[str, pd.DataFrame],
    resampled: Mapping[str, Resampled],
    metrics: tuple[str, ...],
    name: str,
    first: str,
) -> dict[str, PairedDifference]:
    found = {}
    for metric in metrics:
        column = BY_IMAGE[metric]
        counts = paired_counts(rows[name][column].to_numpy(), rows[first][column].to_numpy())
        interval = resampled[name].minus(resampled[first], metric, len(rows[name]))
        found[metric] = PairedDifference(interval, *counts)
    return found


def _delong(one: Outcomes, other: Outcomes, codes: Codes, folds: Codes | None) -> dict[str, AucDifference]:
    """DeLong's test of the positive class, or of each class against the rest where it can be ranked."""
    classes = {"auc": 1} if one.binary else {f"auc_{name}": index for index, name in enumerate(one.names)}
    found = {
        metric: delong(one.truth[:, c], one.probabilities[:, c], other.probabilities[:, c], codes, folds)
        for metric, c in classes.items()
    }
    return {metric: difference for metric, difference in found.items() if not np.isnan(difference.value)}
