"""Folds for the measures: groups stay whole, and every fold gets its share of each class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.labelled import Codes, LabelledFeatures

FOLDS = 5


def deal_folds(data: LabelledFeatures, seed: int = 0, folds: int = FOLDS) -> Codes:
    """Return the fold of each image, [N]; as many folds as there are groups, where these are fewer.

    Groups are dealt out class by class, the rarest class first and its largest groups first (those of one size in a
    shuffled order), each to the fold that has least of the class so far, then fewest images. The same labels, groups
    and seed give the same folds, whatever the features are: encoders are so measured on the same images.
    """
    folds = min(folds, data.group_count)
    strata, presence = data.strata(), data.presence.astype(np.int64)
    sizes = np.bincount(data.groups, minlength=data.group_count)
    counts = np.zeros((data.group_count, presence.shape[1] + 1), np.int64)
    np.add.at(counts, data.groups, np.hstack([presence, presence.sum(axis=1, keepdims=True) == 0]))
    shuffled = np.random.default_rng(seed).permutation(data.group_count)
    rarity = counts.sum(axis=0)[strata]
    order = shuffled[np.lexsort((-sizes[shuffled], strata[shuffled], rarity[shuffled]))]
    fold_of_group = np.zeros(data.group_count, np.int64)
    given, images = np.zeros((folds, counts.shape[1])), np.zeros(folds)
    for group in order:
        fold = int(np.lexsort((images, given[:, strata[group]]))[0])
        fold_of_group[group] = fold
        given[fold] += counts[group]
        images[fold] += sizes[group]
    return fold_of_group[data.groups]


def nested_ranks(data: LabelledFeatures, folds: Codes, seed: int) -> npt.NDArray[np.float64]:
    """Return a number in (0, 1] for each image, [N]: those up to a share s are a subset of about s of all groups.

    Subsets of smaller shares are inside those of larger ones, all of 1 is everything. Groups stay whole, and each
    class of each fold gives its share: its groups, shuffled, stand evenly from a random start on.
    """
    rng = np.random.default_rng(seed)
    fold_of_group = np.zeros(data.group_count, np.int64)
    fold_of_group[data.groups] = folds
    strata = data.strata()
    ranks = np.empty(data.group_count)
    for cell in np.unique(np.stack([strata, fold_of_group]), axis=1).T:
        members = np.flatnonzero((strata == cell[0]) & (fold_of_group == cell[1]))
        start = 1 - rng.random()
        ranks[rng.permutation(members)] = (np.arange(len(members)) + start) / len(members)
    return ranks[data.groups]
