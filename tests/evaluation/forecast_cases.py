"""Logits that are surer than they should be, of each kind of task."""

import numpy as np

KINDS = ("binary", "multiclass", "multilabel")


def overconfident(kind, n=300, seed=0, factor=3.0):
    """Logits that are ``factor`` times what they should be, and a truth drawn from what they should be."""
    rng = np.random.default_rng(seed)
    if kind == "binary":
        fair = rng.normal(size=n)
        return factor * fair, (rng.random(n) < 1 / (1 + np.exp(-fair))).astype(int)
    fair = rng.normal(size=(n, 4))
    if kind == "multilabel":
        return factor * fair, (rng.random((n, 4)) < 1 / (1 + np.exp(-fair))).astype(int)
    shares = np.exp(fair) / np.exp(fair).sum(axis=1, keepdims=True)
    return factor * fair, np.array([rng.choice(4, p=row) for row in shares])


def probabilities_of(logits, kind):
    if kind == "multiclass":
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)
    return 1 / (1 + np.exp(-logits))
