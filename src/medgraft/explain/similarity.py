"""How alike two maps are: by the order of their values, and by structure."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.stats import rankdata

from medgraft.prediction import Array

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2


def spearman(first: Array, second: Array) -> float:
    """Spearman's rank correlation of the absolute values of two maps, -1 to 1; 0 where one of them is flat."""
    one, other = (rankdata(np.abs(values).ravel()) for values in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def ssim(first: Array, second: Array) -> float:
    """Structural similarity of the absolute values of two maps, each brought to 0 to 1 by its largest.

    Wang, Bovik, Sheikh & Simoncelli (2004), equation 13 with the paper's Gaussian window of 11 pixels and constants,
    averaged over the places where the window lies inside; both sides have at least 11 pixels.
    """
    x, y = (_unit(values) for values in (first, second))
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    inside = slice(_RADIUS, -_RADIUS)
    return float((luminance * structure)[inside, inside].mean())


def _unit(values: Array) -> Array:
    size = np.abs(values).astype(np.float64)
    return np.asarray(size / (size.max() or 1.0))


def _smooth(values: Array) -> Array:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.GaussianBlur(values, (side, side), _SIGMA, borderType=cv2.BORDER_REFLECT))
