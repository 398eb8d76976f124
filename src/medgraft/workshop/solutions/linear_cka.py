"""Linear centred kernel alignment of two layers (Kornblith et al. 2019)."""

import numpy as np


def cka(x, y):
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    both = np.linalg.norm(y.T @ x) ** 2
    return both / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
