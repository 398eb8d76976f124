"""The linear probe: logistic regression on features, tested on patients that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.labelled import Codes, FloatArray, LabelledFeatures
from medgraft.transfer.transferability.logistic import solve_many

PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1)
"""Tried, the strongest first; scikit-learn's 1 / C for features of unit spread, as a share of the number of images."""
DEFAULT_PENALTY = 1.0
"""Taken where there are too few folds to choose one."""

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What each image is said to be by the model that has learnt from none of its fold.

    Attributes
    ----------
    probabilities : [N, C]; of several labels each from 0 to 1 on its own.
    penalties : [folds, problems], the penalty taken in each fold; of several labels for each, else one.
    """

    probabilities: Floats
    penalties: Floats


def probe(
    data: LabelledFeatures,
    folds: Codes,
    learners: Flags | None = None,
    penalties: Sequence[float] = PENALTIES,
) -> OutOfFold:
    """Cross-validate logistic regression, with its penalty chosen inside the images to learn from.

    The penalty for a fold is the one with the least cross-entropy in a cross-validation over the other folds, so the
    images that a model is tested on take no part in it. One model without folds i and j serves both: as the inner
    model of i tested on j, and of j tested on i.

    Parameters
    ----------
    data : N images.
    folds : [N], see :func:`~medgraft.transfer.transferability.folds.deal_folds`.
    learners : [N], the images that may be learnt from; None: all. Tested are all, each time.
    """
    learn = np.ones(len(data), bool) if learners is None else learners
    columns = [_targets(data)] if data.kind != "multilabel" else [column[:, None] for column in _targets(data).T]
    grid = np.array(sorted(penalties, reverse=True))
    chosen = np.stack([_chosen(data.features, targets, folds, learn, grid) for targets in columns], axis=1)
    members = np.stack([learn & (folds != fold) for fold in range(chosen.shape[0])])
    parts = []
    for index, targets in enumerate(columns):
        logits = solve_many(data.features, targets, members, chosen[:, index])
        parts.append(_probabilities(logits[folds, np.arange(len(data))].astype(np.float64)))
    if data.kind == "multilabel":
        return OutOfFold(np.concatenate(parts, axis=1), chosen)
    return OutOfFold(_both(parts[0]), chosen)


def _targets(data: LabelledFeatures) -> FloatArray:
    """[N, 1] of the positive class where there are two, else [N, C]."""
    presence = data.presence.astype(np.float32)
    return presence[:, 1:] if data.kind == "binary" else presence


def _chosen(features: FloatArray, targets: FloatArray, folds: Codes, learn: Flags, grid: Floats) -> Floats:
    """The penalty for each fold, [folds]; of equal losses the stronger."""
    count = int(folds.max()) + 1
    pairs = list(combinations(range(count), 2))
    inside = folds[learn]
    members = np.array([(inside != i) & (inside != j) for i, j in pairs])
    if len(grid) == 1 or not len(pairs) or not members.any(axis=1).all():
        return np.full(count, grid[0] if len(grid) == 1 else DEFAULT_PENALTY)
    logits = solve_many(
        features[learn], targets[learn], np.repeat(members, len(grid), axis=0), np.tile(grid, len(pairs))
    )
    losses = _losses(logits, targets[learn]).reshape(len(pairs), len(grid), -1)
    sums = np.zeros((count, len(grid)))
    for (i, j), of_pair in zip(pairs, losses, strict=True):
        sums[i] += of_pair[:, inside == j].sum(axis=1)
        sums[j] += of_pair[:, inside == i].sum(axis=1)
    return np.asarray(grid[sums.argmin(axis=1)])


def _losses(logits: FloatArray, targets: FloatArray) -> Floats:
    """Cross-entropy of each image in each problem, [P, N]."""
    z = logits.astype(np.float64)
    if z.shape[2] == 1:
        return np.asarray((np.logaddexp(0, z) - z * targets)[:, :, 0])
    return np.asarray(np.logaddexp.reduce(z, axis=2) - (z * targets).sum(axis=2))


def _probabilities(logits: Floats) -> Floats:
    """Of [N, K] logits: the sigmoid of one, the softmax of more."""
    if logits.shape[1] == 1:
        return np.asarray(np.exp(-np.logaddexp(0, -logits)))
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)))


def _both(probabilities: Floats) -> Floats:
    """Both classes, where only the positive one's is there."""
    if probabilities.shape[1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=1)
