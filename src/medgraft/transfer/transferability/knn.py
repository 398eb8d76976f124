"""Nearest neighbours by cosine: does the neighbourhood of an image, as the encoder sees it, share its label?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.labelled import Codes, FloatArray, LabelledFeatures

NEIGHBOURS = 200
TEMPERATURE = 0.1
"""Both as in the code published with Matsoukas et al. (2022), for all their data sets."""


def knn(
    data: LabelledFeatures, folds: Codes, neighbours: int = NEIGHBOURS, temperature: float = TEMPERATURE
) -> npt.NDArray[np.float64]:
    """Return for each image the weighted share of each label among its nearest neighbours in the other folds, [N, C].

    A neighbour of cosine similarity s counts exp(s / temperature). Neighbours come from other folds alone, so an image
    is never a neighbour of another one of its patient. Of few images fewer are taken: at most half of those in the
    other folds, as all of them would be the same for every image but for their weights.

    References
    ----------
    Matsoukas, Haslum, Sorkhei, Soderberg & Smith (2022), What makes transfer learning work for medical images: feature
    reuse & other factors, CVPR; Wu, Xiong, Yu & Lin (2018), CVPR, for the weights.
    """
    unit = _unit(data.features)
    presence = data.presence.astype(np.float32)
    shares = np.zeros(presence.shape)
    for fold in np.unique(folds):
        asked, known = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if not len(known):
            raise ValueError("two folds or more are wanted")
        count = max(1, min(neighbours, len(known) // 2))
        similarity = unit[asked] @ unit[known].T
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        # Only the differences matter: the nearest counts 1, so that nothing overflows at a low temperature.
        close = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
        weights = np.exp((close - close.max(axis=1, keepdims=True)) / temperature)
        weights /= weights.sum(axis=1, keepdims=True)
        shares[asked] = np.einsum("nk,nkc->nc", weights, presence[known][nearest])
    return shares


def _unit(features: FloatArray) -> FloatArray:
    """Rows of length 1; a row of zeros stays as it is, equally unlike all others."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)
