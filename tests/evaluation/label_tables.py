"""Tables of predictions as a run of classification writes them, made from numbers."""

import numpy as np
import pandas as pd

BINARY = ("normal", "pneumonia")
FOUR = ("a", "b", "c", "d")
LABELS = ("effusion", "mass", "nodule")


def table_of(names, truth, probabilities, predicted=None, split="test", **columns) -> pd.DataFrame:
    """A row an image. ``truth``: class indices [n], or 0 and 1 [n, C]; decided at 0.5 unless told."""
    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=float)
    if predicted is None and truth.ndim == 2:
        predicted = probabilities >= 0.5
    elif predicted is None:
        predicted = probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "id": [f"im{i}" for i in range(len(truth))],
            "target": texts(names, truth),
            "predicted": texts(names, np.asarray(predicted)),
            "split": split,
            **{f"p_{name}": probabilities[:, index] for index, name in enumerate(names)},
            **columns,
        }
    )


def texts(names, labels) -> list[str]:
    if labels.ndim == 1:
        return [names[index] for index in labels]
    return ["|".join(name for name, there in zip(names, row, strict=True) if there) for row in labels]


def binary_case(n=60, seed=0, skill=1.0, **columns) -> pd.DataFrame:
    """Images of two classes with probabilities in steps of 0.05, so that some are equal."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).integers(2, size=n)
    positive = np.round(1 / (1 + np.exp(-rng.normal((truth - 0.5) * 2 * skill))) * 20) / 20
    return table_of(BINARY, truth, np.stack([1 - positive, positive], axis=1), (positive >= 0.5).astype(int), **columns)


def four_case(n=80, seed=0, skill=1.0, **columns) -> pd.DataFrame:
    """Images of four classes; rounded logits make some probabilities equal."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(98).integers(4, size=n)
    logits = np.round(rng.normal(size=(n, 4)) + skill * np.eye(4)[truth], 1)
    return table_of(FOUR, truth, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), **columns)


def labels_case(n=70, seed=0, skill=1.0, **columns) -> pd.DataFrame:
    """Images with none to three labels."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(97).random((n, 3)) < [0.5, 0.3, 0.2]
    probabilities = np.round(1 / (1 + np.exp(-rng.normal((truth - 0.5) * 2 * skill))), 1)
    return table_of(LABELS, truth, probabilities, **columns)
