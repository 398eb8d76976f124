"""How much of a map lies inside a mask."""

from __future__ import annotations

import numpy as np

from medgraft.prediction import Array


def mass_inside(values: Array, inside: Array) -> float:
    """Share of a map's positive mass that lies inside a mask.

    The energy-based pointing game (Wang et al. 2020, Score-CAM, arXiv:1910.01279, section 4.3). A flat map would give
    the mask's share of the image's area; so that is what to compare with.

    Parameters
    ----------
    values : [H, W]; what is below 0 counts as nothing.
    inside : bool [H, W].

    Returns
    -------
    From 0 to 1; NaN where the map has no positive mass or the mask is empty.

    Raises
    ------
    ValueError
        Where the two differ in size.
    """
    if values.shape != inside.shape:
        raise ValueError(f"a mask of {inside.shape} cannot lie on a map of {values.shape}")
    positive = np.clip(values, 0, None).astype(np.float64)
    total = float(positive.sum())
    if total <= 0 or not inside.any():
        return float("nan")
    return float(positive[inside].sum() / total)
