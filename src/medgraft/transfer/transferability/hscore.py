"""H-score: how much of the features' variance lies between the classes, with a shrunken covariance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf

from medgraft.transfer.transferability.labelled import LabelledFeatures

Floats = npt.NDArray[np.float64]


def hscore(data: LabelledFeatures) -> float:
    """Return the H-score with the covariance of the features shrunk by Ledoit & Wolf; higher is better.

    It is trace(cov_a(f)^-1 (1 - a) cov(E[f | y])), where cov_a = (1 - a) cov(f) + a m I, m the mean variance, and a the
    shrinkage that Ledoit & Wolf (2004) estimate. The plain H-score (a = 0) inverts a covariance that a few hundred
    images of a thousand features do not determine; it is then near its largest value whatever the labels are. Between
    0 and the number of classes less one. Of several labels it is the mean over labels of the same with two classes, an
    extension of ours.

    References
    ----------
    Bao, Li, Huang, Zhang, Zheng, Zamir & Guibas (2019), An information-theoretic approach to transferability in task
    transfer learning, ICIP; Ibrahim, Ponomareva & Mazumder (2021), Newer is not always better, arXiv:2110.06893, for
    the shrinkage.
    """
    features = data.features.astype(np.float64)
    features -= features.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(features, assume_centered=True)
    presence = data.presence.astype(np.float64)
    if not np.trace(covariance) > 0:
        return 0.0
    if data.kind != "multilabel":
        return float(1 - shrinkage) * _explained(covariance, features, presence)
    pairs = [np.stack([1 - label, label], axis=1) for label in presence.T]
    return float(1 - shrinkage) * float(np.mean([_explained(covariance, features, pair) for pair in pairs]))


def _explained(covariance: Floats, features: Floats, presence: Floats) -> float:
    """trace(covariance^-1 cov(E[f | y])) for features of mean zero and labels [N, C] of which each row has one."""
    counts = presence.sum(axis=0)
    means = features.T @ presence / np.sqrt(counts * len(features))
    return float((means * np.linalg.solve(covariance, means)).sum())
