"""How unsure an answer is: entropy of the mean, and how much of it is disagreement between models.

The entropy of the mean of several models' probabilities is the mean of their entropies, on which they agree, and the
rest: the mutual information between the answer and the model, 0 where all say the same (Houlsby et al. 2011; of
ensembles: Lakshminarayanan et al. 2017, Smith & Gal 2018). All in nats, so the entropy of two classes is at most ln 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medgraft.data import LabelClasses
from medgraft.prediction import Array


def entropy(probabilities: Array, axis: int = -1) -> Array:
    """Entropy in nats along ``axis``, over which the probabilities add up to 1; 0 log 0 is 0."""
    p = np.asarray(probabilities, np.float64)
    return np.asarray(-(p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis))


def label_entropy(probabilities: Array, classes: LabelClasses) -> float:
    """Entropy of an image's label [C]; where an image may have several labels, the mean over the labels' own."""
    if classes.multilabel:
        return float(entropy(np.stack([probabilities, 1 - probabilities]), axis=0).mean())
    return float(entropy(probabilities))


def label_disagreement(opinions: Sequence[Array], classes: LabelClasses) -> float:
    """Mutual information between label and model, for what each model says [C]; never negative."""
    mean = np.mean(np.stack(opinions).astype(np.float64), axis=0)
    shared = float(np.mean([label_entropy(opinion, classes) for opinion in opinions]))
    return max(0.0, label_entropy(mean, classes) - shared)
