"""How well scores rank positives above negatives: areas under ROC and precision-recall curves, from numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Ranking:
    """The order of positives and negatives by score: sorted once, weighted as often as wanted.

    Equal scores count half in the ROC curve's area and share one step of the precision-recall curve.

    Parameters
    ----------
    positive : [n], whether each image is positive.
    scores : [n], higher for what looks positive; no NaN.
    rows : [n], the row of the weights that belongs to each image. None: row i to image i.

    Raises
    ------
    ValueError
        If shapes differ or a score is NaN.
    """

    def __init__(self, positive: ArrayLike, scores: ArrayLike, rows: ArrayLike | None = None) -> None:
        truth, values = _pairs(positive, scores)
        own = np.arange(len(values)) if rows is None else np.asarray(rows, dtype=np.intp)
        ups, downs = _descending(values, truth), _descending(values, ~truth)
        self._positives, self._negatives = own[ups], own[downs]
        # For each positive, best first: negatives above it, negatives not below it, positives not below it.
        self._above = np.searchsorted(-values[downs], -values[ups], side="left")
        self._not_below = np.searchsorted(-values[downs], -values[ups], side="right")
        self._reached = np.searchsorted(-values[ups], -values[ups], side="right")
        self._tied = bool((self._above != self._not_below).any())

    @property
    def defined(self) -> bool:
        """Whether there is a positive and a negative to be ranked."""
        return bool(len(self._positives) and len(self._negatives))

    def areas(self, weights: ArrayLike) -> tuple[Floats, Floats]:
        """Return the areas for each column of weights.

        Parameters
        ----------
        weights : [rows, S], how often each row counts (as resamples do), each column a set of weights.

        Returns
        -------
        The area under the ROC curve and the average precision, [S] each. The first is NaN where no positive
        or no negative has weight, the second where no positive has.
        """
        table = np.asarray(weights, dtype=np.float64)
        up, down = table[self._positives], table[self._negatives]
        positives, negatives = up.sum(axis=0), down.sum(axis=0)
        false = _running_sum(down)
        not_below = false[self._not_below]
        beaten = negatives - ((false[self._above] + not_below) / 2 if self._tied else not_below)
        true = _running_sum(up)[self._reached]
        called = true + not_below
        # Nothing called positive means that this positive has no weight either.
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        area = _ratio(np.einsum("ns,ns->s", up, beaten), positives * negatives)
        return area, _ratio(np.einsum("ns,ns->s", up, precision), positives)


def placements(positive: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, for each negative the share of positives above it.

    Equal scores count half. The mean of either is the area under the ROC curve. Found by searches in the sorted
    scores, in n log n, as the midranks of Sun & Xu (2014, IEEE Signal Processing Letters 21:1389) are.

    Parameters
    ----------
    positive, scores : [n], as for :class:`Ranking`; at least one positive and one negative.

    Returns
    -------
    [positives] and [negatives], each in the order of the images.
    """
    truth, values = _pairs(positive, scores)
    ups, downs = values[truth], values[~truth]
    if not len(ups) or not len(downs):
        raise ValueError(f"a positive and a negative are wanted (got {len(ups)} and {len(downs)})")
    return _share_below(ups, downs), 1 - _share_below(downs, ups)


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, ties counting half.

    Parameters
    ----------
    positive, scores : [n], as for :class:`Ranking`.

    Returns
    -------
    float
        From 0 to 1; NaN where there is no positive or no negative.
    """
    ranking = Ranking(positive, scores)
    return float(ranking.areas(np.ones((np.size(positive), 1)))[0][0])


def average_precision(positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve by steps: precision at each positive, averaged.

    Parameters
    ----------
    positive, scores : [n], as for :class:`Ranking`.

    Returns
    -------
    float
        From 0 to 1; NaN where there is no positive.
    """
    ranking = Ranking(positive, scores)
    return float(ranking.areas(np.ones((np.size(positive), 1)))[1][0])


def macro_auc(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve of each class against the rest, averaged over classes.

    Parameters
    ----------
    truth : [N] of class indices, or [N, C] of 0 and 1 where an image may have several labels.
    scores : [N, C], a score a class (probabilities or logits). Of two classes of a single label the second is
        the positive one and alone decides; [N] or [N, 1] are its scores.

    Returns
    -------
    float
        The mean over the classes of which there are images and images without; NaN where there is no such
        class, or where a score is NaN (as after a training that went astray).

    Raises
    ------
    ValueError
        If shapes do not fit, or a class index is out of range.
    """
    labels, values = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if np.isnan(values).any():
        return float("nan")
    if labels.ndim == 1:
        labels, values = _one_against_rest(labels, values)
    if labels.shape != values.shape:
        raise ValueError(f"scores [N, C] that fit the truth are wanted (got {values.shape} for {labels.shape})")
    areas = [auc(labels[:, index], values[:, index]) for index in range(values.shape[1])]
    defined = [area for area in areas if not np.isnan(area)]
    return float(np.mean(defined)) if defined else float("nan")


def _one_against_rest(labels: NDArray[Any], values: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Indicators and scores, a column a class; in the binary case those of the positive class alone."""
    classes = max(values.shape[1], 2)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"classes 0 to {classes - 1} are wanted (got {labels.min()} to {labels.max()})")
    if classes == 2:
        return (labels == 1)[:, None], values[:, -1:]
    return labels[:, None] == np.arange(classes), values


def _pairs(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    truth, values = np.asarray(positive).astype(bool), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"a truth and a score for each image are wanted (got {truth.shape} and {values.shape})")
    if np.isnan(values).any():
        raise ValueError("scores without NaN are wanted")
    return truth, values


def _descending(values: Floats, chosen: NDArray[np.bool_]) -> Indices:
    found = np.flatnonzero(chosen)
    return found[np.argsort(-values[found], kind="stable")]


def _running_sum(weights: Floats) -> Floats:
    """Sums of the first 0, 1, ... n rows: [n + 1, S]."""
    sums = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums


def _share_below(values: Floats, others: Floats) -> Floats:
    ordered = np.sort(others)
    twice = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(twice / (2 * len(others)), dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
