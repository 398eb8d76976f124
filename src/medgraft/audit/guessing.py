"""How well labels can be guessed from a few numbers, in groups never seen, and whether that is more than chance.

The guess is ridge regression on the labels, fitted on all folds but one; its order is that of linear discriminant
analysis. Folds are drawn by group and without regard to the labels, and only images of one fold are ranked against
each other. So nothing but the labels themselves ties them to the guess, and the guess for permuted labels is made in
just the same way: the permutation test is exact wherever groups could exchange their labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from medgraft.ranking import Ranking

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

PENALTY = 0.1
"""Of the ridge, as a share of the number of images, for traits of unit spread."""
_DIGITS = 9


def deal_folds(groups: Codes, folds: int, rng: np.random.Generator) -> Codes:
    """Return the fold of each image, [n]: groups stay whole, folds are about equally large, the rest is chance.

    Parameters
    ----------
    groups : [n], numbers from 0.
    """
    sizes = np.bincount(groups)
    shuffled = rng.permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled, fold_of = np.zeros(folds, np.int64), np.zeros(len(sizes), np.int64)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return np.asarray(fold_of[groups])


def guesses(traits: Floats, targets: Floats, folds: Codes) -> Floats:
    """Return for every image and target the score of a rule that was fitted on the other folds.

    Parameters
    ----------
    traits : [n, p], of unit spread.
    targets : [n, t] of 0 and 1; each column is a task of its own.
    folds : [n].
    """
    scores = np.zeros(targets.shape)
    for fold in np.unique(folds):
        there = folds == fold
        mean = traits[~there].mean(axis=0)
        known = traits[~there] - mean
        system = known.T @ known + PENALTY * len(known) * np.eye(traits.shape[1])
        weights = np.linalg.solve(system, known.T @ (targets[~there] - targets[~there].mean(axis=0)))
        scores[there] = (traits[there] - mean) @ weights
    # Equal images get equal scores, which sums in another order would part by a rounding.
    return np.asarray(np.round(scores, _DIGITS))


def area_within(targets: Floats, scores: Floats, folds: Codes) -> Floats:
    """Return the area under the ROC curve of each column, [t], over pairs of images of the same fold.

    It is NaN where no fold has a positive and a negative.
    """
    wins, pairs = np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
    for fold in np.unique(folds):
        there = folds == fold
        truth = targets[there]
        ups = truth.sum(axis=0)
        # Mann and Whitney: the sum of the positives' ranks, less the least that it can be.
        wins += (truth * _ranks(scores[there])).sum(axis=0) - ups * (ups + 1) / 2
        pairs += ups * (len(truth) - ups)
    return np.asarray(np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def area_draws(positive: npt.NDArray[np.bool_], scores: Floats, folds: Codes, groups: Codes, counts: Floats) -> Floats:
    """Return the same area for resampled groups.

    Parameters
    ----------
    positive, scores, folds, groups : [n].
    counts : [groups, draws], how often each group was drawn.
    """
    wins, pairs = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for fold in np.unique(folds):
        there = folds == fold
        ups = counts[groups[there & positive]].sum(axis=0)
        downs = counts[groups[there & ~positive]].sum(axis=0)
        area = Ranking(positive[there], scores[there], groups[there]).areas(counts)[0]
        wins += np.nan_to_num(area) * ups * downs
        pairs += ups * downs
    return np.asarray(np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def permuted(targets: Floats, groups: Codes, times: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield the targets [n, C] with the labels of groups exchanged.

    Groups whose images all have the same label exchange it, whatever their sizes. Where a group has several, the labels
    of all images are laid out group by group in an order of groups drawn anew, so that labels that stand together
    nearly always stay together.
    """
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    own = targets[order[starts[:-1]]]
    alike = bool((targets == own[groups]).all())
    for _ in range(times):
        drawn = rng.permutation(len(own))
        if alike:
            yield own[drawn][groups]
        else:
            laid = np.concatenate([order[starts[group] : starts[group + 1]] for group in drawn])
            shuffled = np.empty_like(targets)
            shuffled[order] = targets[laid]
            yield shuffled


def _ranks(values: Floats) -> Floats:
    """Ranks from 1 within each column; equal values share their mean rank."""
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    places = np.arange(1, len(values) + 1, dtype=np.float64)[:, None]
    begins = np.ones(values.shape, bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    ends = np.ones(values.shape, bool)
    ends[:-1] = begins[1:]
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=0)
    last = np.minimum.accumulate(np.where(ends, places, np.inf)[::-1], axis=0)[::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=0)
    return ranks
