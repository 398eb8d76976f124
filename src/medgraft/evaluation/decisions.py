"""How good decisions are: sensitivity, specificity, predictive values and F1 at the threshold that was used.

===========  ===================================================  =========================
sensitivity  share of the images of the class that were told so   TP / (TP + FN)
specificity  share of the others that were not                    TN / (TN + FP)
ppv          share of those told so that are (positive            TP / (TP + FP)
             predictive value, precision)
npv          share of those not told so that are not              TN / (TN + FN)
f1                                                                2 TP / (2 TP + FP + FN)
===========  ===================================================  =========================

Of two classes they are of the second, the positive one. Of more classes, or several labels, each has its own
(``ppv_<class>``), and the plain names are means over the classes where they are defined. ppv and npv depend on how many
images are of the class; in other places, where fewer people have a disease, fewer of those told so have it.

Intervals of shares are Wilson's, with groups taken into account (see :mod:`~medgraft.evaluation.shares`): 9 of 9 is no
certainty. Those of F1 and of means are from the bootstrap by group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.evaluation.intervals import group_codes
from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.resampling import Bootstrap, resample
from medgraft.evaluation.shares import interval_of_sums
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

DECISION_SCORES = ("sensitivity", "specificity", "ppv", "npv", "f1")
_SHARES = DECISION_SCORES[:-1]


def decision_scores(
    outcomes: Outcomes, groups: ArrayLike | None = None, bootstrap: Bootstrap | None = None
) -> dict[str, Interval]:
    """Score what was decided of images.

    Parameters
    ----------
    outcomes : decided at the threshold of interest, as by ``read_outcomes(table, names, multilabel, threshold)``.
    groups : [N], as for :func:`~medgraft.evaluation.intervals.bootstrap_mean`.
    bootstrap : of the intervals; 2,000 resamples unless told.

    Returns
    -------
    dict
        The scores of the module's table. The ``n`` of a share counts the images that it is a share of.
    """
    drawn = bootstrap or Bootstrap()
    codes = np.unique(group_codes(groups, len(outcomes.truth)), return_inverse=True)[1].astype(np.int64)
    measure = DecisionMeasure(outcomes, codes)
    (found,) = resample([measure], np.zeros(codes.max() + 1, np.int64), drawn)
    scores = {name: found.interval(name, len(codes)) for name in found.values}
    for name, sums in measure.shares().items():
        scores[name] = interval_of_sums(*sums, drawn.level)
    return scores


class DecisionMeasure:
    """The scores of the module's table as functions of how often each group counts.

    Parameters
    ----------
    outcomes : of N images.
    codes : [N], the group of each image, from 0 without a gap.
    """

    def __init__(self, outcomes: Outcomes, codes: Codes) -> None:
        self.images = len(codes)
        self._names = ("",) if outcomes.binary else outcomes.names
        truth, decided = (flags[:, 1:] if outcomes.binary else flags for flags in (outcomes.truth, outcomes.decided))
        cells = (truth & decided, ~truth & decided, truth & ~decided, ~truth & ~decided)
        # [4, C, G]: true and false positives, false and true negatives of each group.
        self._cells = np.stack([_group_sums(flags, codes) for flags in cells])
        whole = self._ratios(np.ones((int(codes.max()) + 1, 1)))
        self._there = {name: ~np.isnan(values[:, 0]) for name, values in whole.items()}

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S] of how often each group counts."""
        each = self._ratios(counts)
        if len(self._names) == 1:
            return {name: values[0] for name, values in each.items()}
        found = {name: _mean(values[self._there[name]]) for name, values in each.items()}
        own = {f"{name}_{label}": v for name in each for label, v in zip(self._names, each[name], strict=True)}
        return found | own

    def shares(self) -> dict[str, tuple[Floats, Floats]]:
        """Return for each score that is a share of images, by group, how many count and of how many: [G] each."""
        found = {}
        for name, (part, whole) in self._parts(self._cells).items():
            for index, label in enumerate(self._names):
                found[f"{name}_{label}" if label else name] = part[index], whole[index]
        return found

    def _ratios(self, counts: Floats) -> dict[str, Floats]:
        """Each score of each class, [C, S]; NaN where it is a share of nothing."""
        cells = self._cells @ counts
        ratios = {name: _ratio(*parts) for name, parts in self._parts(cells).items()}
        hits, wrong, missed, _ = cells
        return ratios | {"f1": _ratio(2 * hits, 2 * hits + wrong + missed)}

    def _parts(self, cells: Floats) -> dict[str, tuple[Floats, Floats]]:
        hits, wrong, missed, right = cells
        parts = ((hits, hits + missed), (right, right + wrong), (hits, hits + wrong), (right, right + missed))
        return dict(zip(_SHARES, parts, strict=True))


def _group_sums(flags: NDArray[np.bool_], codes: Codes) -> Floats:
    """[C, G], how many images of each group have the flag."""
    return np.stack([np.bincount(codes, weights=column, minlength=int(codes.max()) + 1) for column in flags.T])


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _mean(values: Floats) -> Floats:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
