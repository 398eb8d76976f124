"""Scores of a classifier over a set of images, as functions of how often each group of images counts.

What each score is, with C classes in their order:

=================  ==================================================================================
auc                area under the ROC curve of a class against the rest, mean over classes
average_precision  precision at each image of the class, in the order of scores; mean over classes
accuracy           share of images that are decided right; of several labels, all of them
balanced_accuracy  mean over classes of recall; of several labels, mean of (sensitivity + specificity) / 2
macro_recall       mean over classes of recall (sensitivity)
macro_f1           mean over classes of 2 TP / (2 TP + FP + FN)
kappa              Cohen's kappa, a disagreement weighing by the square of its distance in class order
brier              mean over images of the squared error of probabilities; 0 is best
=================  ==================================================================================

In the binary case auc, average_precision and brier, (p - y)^2, are of the positive class. Of more classes brier is
the sum over classes of squared errors, of several labels their mean. Of several labels there is no kappa.

Undefined are: auc and average_precision of a class that no image or every image has, recall of a class that no
image has, F1 of a class that no image has and none is given. A mean over classes is over the classes where the score
is defined on the images as they are. In a resample it is over the same classes, or undefined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.resampling import Resampled
from medgraft.evaluation.shares import interval_of_sums
from medgraft.ranking import Ranking
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LABEL_METRICS: tuple[str, ...] = (
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "macro_recall",
    "macro_f1",
    "kappa",
    "brier",
)
CLASS_METRICS: tuple[str, ...] = ("auc", "average_precision", "recall", "f1")
RANKED: tuple[str, ...] = ("auc", "average_precision")


def label_metric_names(names: Sequence[str], multilabel: bool) -> tuple[str, ...]:
    """Return the names of all scores: the overall ones, then those of each class."""
    overall = [metric for metric in LABEL_METRICS if not (multilabel and metric == "kappa")]
    binary = len(names) == 2 and not multilabel
    each = [metric for metric in CLASS_METRICS if not (binary and metric in RANKED)]
    return (*overall, *(f"{metric}_{name}" for name in names for metric in each))


class LabelMeasure:
    """The scores of some outcomes; everything that does not depend on the weights is done once.

    Parameters
    ----------
    outcomes : of N images.
    codes : [N], the group of each image, from 0.
    folds : [N], the fold of each image. Then auc and average_precision are means over folds of the score within
        the fold, as scores of different models need not be on one scale. None: all images are ranked together.
    """

    def __init__(self, outcomes: Outcomes, codes: Codes, folds: Codes | None = None) -> None:
        self.outcomes = outcomes
        self.images = len(codes)
        self._names = label_metric_names(outcomes.names, outcomes.multilabel)
        self._sums = _group_sums(outcomes, codes)
        self._rankings = _rankings(outcomes, codes, np.zeros(self.images, np.int64) if folds is None else folds)
        whole = self._by_class(np.ones((len(self._sums), 1)))
        self._there = {metric: ~np.isnan(values[:, 0]) for metric, values in whole.items()}

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S] of how often each group counts."""
        each = self._by_class(counts)
        macro = {metric: _mean(values[self._there[metric]]) for metric, values in each.items()}
        found = {
            **macro,
            "balanced_accuracy": macro.get("balanced", macro["recall"]),
            "macro_recall": macro["recall"],
            "macro_f1": macro["f1"],
            **self._overall(counts),
        }
        for metric in CLASS_METRICS:
            if len(each[metric]) == len(self.outcomes.names):
                found |= {f"{metric}_{name}": v for name, v in zip(self.outcomes.names, each[metric], strict=True)}
        return {name: found[name] for name in self._names}

    def interval(self, name: str, resampled: Resampled) -> Interval:
        """Return a score with its interval: that of its resamples, or for the recall of a class Wilson's.

        A recall is a sensitivity (of two classes also a specificity), which has one interval wherever it is shown; see
        :mod:`~medgraft.evaluation.decisions`. Its n is the number of images of the class, that of others of all.
        """
        if not name.startswith("recall_"):
            return resampled.interval(name, self.images)
        hits, true, _ = np.split(self._sums[:, -3 * len(self.outcomes.names) :], 3, axis=1)
        index = self.outcomes.names.index(name.removeprefix("recall_"))
        return interval_of_sums(hits[:, index], true[:, index], resampled.level)

    def _overall(self, counts: Floats) -> dict[str, Floats]:
        """Scores that no class has of its own."""
        n, correct, error, *moments = self._sums[:, : -3 * len(self.outcomes.names)].T @ counts
        overall = {"accuracy": _ratio(correct, n), "brier": _ratio(error, n)}
        if moments:
            apart, squares, true, given = moments
            # All sums are whole numbers: a kappa that is 0 / 0 is exactly that.
            overall["kappa"] = 1 - _ratio(n * apart, n * squares - 2 * true * given)
        return overall

    def _by_class(self, counts: Floats) -> dict[str, Floats]:
        """Scores of each class, [C, S]; those of ranking, in the binary case, of the positive class alone: [1, S]."""
        n = self._sums[:, 0] @ counts
        hits, true, given = np.split(self._sums[:, -3 * len(self.outcomes.names) :].T @ counts, 3)
        scores = {"recall": _ratio(hits, true), "f1": _ratio(2 * hits, true + given)}
        if self.outcomes.multilabel:
            specificity = _ratio(n - true - given + hits, n - true)
            scores["balanced"] = (scores["recall"] + specificity) / 2
        areas = [_within_folds(parts, counts) for parts in self._rankings]
        scores["auc"], scores["average_precision"] = (np.stack(found) for found in zip(*areas, strict=True))
        return scores


def _group_sums(outcomes: Outcomes, codes: Codes) -> Floats:
    """Sums over the images of each group, [G, columns]: all that scores of decisions are made of."""
    truth, decided = outcomes.truth, outcomes.decided
    columns = [np.ones(len(codes)), outcomes.correct, squared_error(outcomes)]
    if not outcomes.multilabel:
        true, given = truth.argmax(axis=1), decided.argmax(axis=1)
        columns += [(true - given) ** 2, true**2 + given**2, true, given]
    table = np.column_stack([*columns, truth & decided, truth, decided]).astype(np.float64)
    sums = np.zeros((int(codes.max()) + 1, table.shape[1]))
    np.add.at(sums, codes, table)
    return sums


def squared_error(outcomes: Outcomes) -> Floats:
    """[N], the Brier score of each image."""
    squares = (outcomes.probabilities - outcomes.truth) ** 2
    if outcomes.binary:
        return np.asarray(squares[:, 1])
    return np.asarray(squares.mean(axis=1) if outcomes.multilabel else squares.sum(axis=1))


def _rankings(outcomes: Outcomes, codes: Codes, folds: Codes) -> list[list[Ranking]]:
    """For each class that is ranked, a ranking for each fold in which it can be."""
    rows = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    classes = [1] if outcomes.binary else range(len(outcomes.names))
    truth, scores = outcomes.truth, outcomes.probabilities
    ranked = [[Ranking(truth[part, c], scores[part, c], codes[part]) for part in rows] for c in classes]
    return [[ranking for ranking in parts if ranking.defined] for parts in ranked]


def _within_folds(rankings: Sequence[Ranking], counts: Floats) -> tuple[Floats, Floats]:
    """Mean over folds of the areas under both curves, [S] each; undefined where one of the folds is."""
    if not rankings:
        undefined = np.full(counts.shape[1], np.nan)
        return undefined, undefined
    areas, precisions = zip(*(ranking.areas(counts) for ranking in rankings), strict=True)
    area = np.mean(areas, axis=0)
    return area, np.where(np.isnan(area), np.nan, np.mean(precisions, axis=0))


def _mean(values: Floats) -> Floats:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
