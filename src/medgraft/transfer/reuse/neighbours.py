"""k nearest neighbours: how well the features at a block tell images apart without any training on top of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.knn import NEIGHBOURS, TEMPERATURE

Floats = npt.NDArray[np.float64]

SHARE = 10
"""Of n known images no more than n / 10 are neighbours."""


def neighbour_count(known: int) -> int:
    """How many neighbours have a vote where ``known`` images can be: 200, or a tenth of them, and at least one."""
    return max(1, min(NEIGHBOURS, known // SHARE))


def vote(
    known: npt.NDArray[np.floating],
    presence: npt.NDArray[np.integer],
    asked: npt.NDArray[np.floating],
    temperature: float = TEMPERATURE,
) -> Floats:
    """The weighted share of each label among the nearest known images, [A, C], from 0 to 1.

    A neighbour of cosine similarity s counts exp(s / ``temperature``) (Wu et al. 2018). There are
    :func:`neighbour_count` of them.

    Parameters
    ----------
    known, asked : features [N, D] and [A, D]; a row of zeros is equally unlike all others.
    presence : [N, C], 1 for each label that a known image has.

    References
    ----------
    Wu, Xiong, Yu & Lin (2018), Unsupervised feature learning via non-parametric instance discrimination, CVPR.
    """
    if len(known) != len(presence) or not len(known):
        raise ValueError(f"a label for each of at least one known image is wanted ({len(known)}, {len(presence)})")
    count, bank, labels = neighbour_count(len(known)), _unit(known), presence.astype(np.float64)
    shares = np.empty((len(asked), presence.shape[1]))
    step = max(1, 20_000_000 // len(known))
    for start in range(0, len(asked), step):
        similar = _unit(asked[start : start + step]) @ bank.T
        nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        close = np.take_along_axis(similar, nearest, axis=1)
        # Only differences matter: the nearest counts 1, so that nothing overflows at a low temperature.
        weights = np.exp((close - close.max(axis=1, keepdims=True)) / temperature)
        votes = np.einsum("nk,nkc->nc", weights, labels[nearest])
        shares[start : start + step] = votes / weights.sum(axis=1, keepdims=True)
    return np.clip(shares, 0, 1)


def _unit(features: npt.NDArray[np.floating]) -> Floats:
    table = np.asarray(features, np.float64)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.where(lengths > 0, lengths, 1))
