"""Scores of a cross-validated probe, as functions of how often each patient counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medgraft.ranking import Ranking
from medgraft.transfer.transferability import Probed

Floats = NDArray[np.float64]


class FoldedMeasure:
    """Area under the ROC curve, and balanced accuracy, of out-of-fold probabilities.

    The area of a class is taken within each fold and averaged over folds, as their models need not be on one scale; in
    a resample over those folds where the class can be ranked, since of a few dozen patients a fold often loses one
    class or the other. Then classes are averaged. Scores are called ``auc`` and ``balanced_accuracy`` (of several
    labels the mean of sensitivity and specificity).

    Parameters
    ----------
    probed : labels, groups and folds of N images.
    probabilities : [N, C], out of fold.
    """

    def __init__(self, probed: Probed, probabilities: Floats) -> None:
        data, self.images = probed.data, len(probed.data)
        truth = data.presence > 0
        several = data.kind == "multilabel"
        parts = [np.flatnonzero(probed.folds == fold) for fold in np.unique(probed.folds)]
        ranked = [1] if data.kind == "binary" else range(truth.shape[1])
        self._rankings = [
            [Ranking(truth[part, c], probabilities[part, c], data.groups[part]) for part in parts] for c in ranked
        ]
        decided = probabilities >= 0.5 if several else probabilities.argmax(axis=1)[:, None] == np.arange(data.count)
        kinds = [truth, ~truth] if several else [truth]
        self._right = [_by_group(decided == truth, there, data.groups) for there in kinds]
        self._all = [_by_group(np.ones_like(truth), there, data.groups) for there in kinds]

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S]; NaN where a class has no weight that it could be ranked by."""
        areas = [_defined_mean([ranking.areas(counts)[0] for ranking in folds]) for folds in self._rankings]
        recalls = [
            _ratio(right.T @ counts, all_.T @ counts) for right, all_ in zip(self._right, self._all, strict=True)
        ]
        return {"auc": np.mean(areas, axis=0), "balanced_accuracy": np.mean(recalls, axis=(0, 1))}


def _by_group(flags: NDArray[np.bool_], there: NDArray[np.bool_], groups: NDArray[np.int64]) -> Floats:
    """How many images of each group have the flag, among those that are ``there``, [G, C]."""
    sums = np.zeros((int(groups.max()) + 1, flags.shape[1]))
    np.add.at(sums, groups, (flags & there).astype(np.float64))
    return sums


def _defined_mean(areas: list[Floats]) -> Floats:
    """[S], over folds, of what is defined; NaN where nothing is."""
    table = np.stack(areas)
    defined = ~np.isnan(table)
    return _ratio(np.where(defined, table, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
