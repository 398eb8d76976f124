"""NLEEP: how well the clusters of the features, found without labels, predict the labels."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from medgraft.transfer.transferability.labelled import LabelledFeatures

VARIANCE = 0.8
"""Share of the features' variance that the principal components keep, as in the paper."""
CLUSTERS_PER_CLASS = 5
"""As in the paper."""
IMAGES_PER_CLUSTER = 4
"""Of few images there are fewer clusters: with less than this many in each, a cluster is a few images that happen to
be there, and predicts their labels perfectly."""

Floats = npt.NDArray[np.float64]


def nleep(data: LabelledFeatures, seed: int = 0) -> float:
    """Return the mean log probability of the labels as predicted by clusters; 0 is best.

    The features are reduced by PCA and described by a mixture of Gaussians. The joint frequency of clusters and labels
    gives the probability of a label in a cluster, and that of an image's label is its mean over clusters by how much
    the image belongs to each. Of several labels it is the mean over labels of the same with two classes, an extension
    of ours.

    Parameters
    ----------
    seed : of the start of the mixture.

    References
    ----------
    Li, Jia, Sang, Zhu, Green, Wang & Gong (2021), Ranking neural checkpoints, CVPR; Nguyen, Hassner, Seeger &
    Archambeau (2020), LEEP, ICML, for the second step.
    """
    belongs = _clusters(data.features.astype(np.float64), data.count, seed)
    presence = data.presence.astype(np.float64)
    if data.kind != "multilabel":
        return leep(belongs, presence)
    return float(np.mean([leep(belongs, np.stack([1 - label, label], axis=1)) for label in presence.T]))


def leep(belongs: Floats, presence: Floats) -> float:
    """Return the log expected empirical prediction.

    Parameters
    ----------
    belongs : [N, Z], how probable each source class (here: cluster) is for each image; rows add up to 1.
    presence : [N, C], 1 for the label of each image.
    """
    joint = belongs.T @ presence
    total = joint.sum(axis=1, keepdims=True)
    of_cluster = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    predicted = ((belongs @ of_cluster) * presence).sum(axis=1)
    return float(np.log(np.maximum(predicted, np.finfo(np.float64).tiny)).mean())


def _clusters(features: Floats, classes: int, seed: int) -> Floats:
    """How much each image belongs to each cluster, [N, Z]."""
    if not (features.std(axis=0) > 0).any():
        return np.ones((len(features), 1))
    reduced = PCA(VARIANCE, svd_solver="full").fit_transform(features)
    # Unit overall spread, so that the constant that keeps covariances invertible means the same for every encoder.
    reduced /= reduced.std(axis=0).max()
    count = max(1, min(CLUSTERS_PER_CLASS * classes, len(features) // IMAGES_PER_CLUSTER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(count, random_state=seed).fit(reduced)
    return np.asarray(mixture.predict_proba(reduced), np.float64)
