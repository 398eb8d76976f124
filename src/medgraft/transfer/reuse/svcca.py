"""Singular vector canonical correlation (SVCCA) of two sets of features of the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

KEPT = 0.99
"""Share of the variance that the kept directions explain, as in the paper."""
PER_DIRECTION = 5
"""So many images a kept direction there must be: with fewer, any two sets of features correlate."""


@dataclass(frozen=True)
class Svcca:
    """What is found.

    Attributes
    ----------
    value : mean canonical correlation, 0 to 1; NaN where there are too few images for the directions.
    directions : how many were kept of each.
    """

    value: float
    directions: tuple[int, int]


def svcca(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating], kept: float = KEPT) -> Svcca:
    """Mean canonical correlation of the leading singular directions.

    The features of each set are centred and reduced to the directions that explain ``kept`` of their variance; the
    canonical correlations of the reduced sets are the singular values of the product of their orthonormal bases. Their
    mean is over as many as the smaller set has directions.

    Parameters
    ----------
    first, second : [N, D1] and [N, D2], of the same images in the same order.

    References
    ----------
    Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017), SVCCA: singular vector canonical correlation analysis for deep
    learning dynamics and interpretability, NeurIPS.
    """
    return correlated(basis(first, kept), basis(second, kept))


def correlated(one: Floats, other: Floats) -> Svcca:
    """The same from what :func:`basis` gives of each set, so that of many sets it is computed once."""
    if len(one) != len(other):
        raise ValueError(f"features of the same images are wanted (got {len(one)} and {len(other)})")
    directions = (one.shape[1], other.shape[1])
    if not min(directions) or len(one) < PER_DIRECTION * max(directions):
        return Svcca(float("nan"), directions)
    correlations = np.linalg.svd(one.T @ other, compute_uv=False)
    return Svcca(float(np.clip(correlations, 0, 1).mean()), directions)


def basis(features: npt.NDArray[np.floating], kept: float = KEPT) -> Floats:
    """Orthonormal columns [N, d]: the left singular vectors of the centred features that explain enough."""
    table = np.asarray(features, np.float64)
    table = table - table.mean(axis=0)
    left, values, _ = np.linalg.svd(table, full_matrices=False)
    total = float((values**2).sum())
    if total <= 1e-20:
        return np.empty((len(table), 0))
    share = np.cumsum(values**2) / total
    return np.asarray(left[:, : int(np.searchsorted(share, kept - 1e-12)) + 1])
