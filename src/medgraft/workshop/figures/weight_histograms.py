"""What three starts of an encoder have in common, and what they have not: the numbers in one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import INK, SERIES, Picture, chart, picture

Array = npt.NDArray[Any]


def weight_histograms(starts: Mapping[str, Array], filters: int = 12) -> Picture:
    """Histograms of the first convolution [out, 3, k, k] of each start, and above them its largest filters."""
    spreads = {name: float(weights.std()) for name, weights in starts.items()}
    told = ", ".join(f"{name} {value:.3f}" for name, value in spreads.items())
    alt = (
        "The first convolution of three starts: above, its largest filters as small pictures, where 0 is grey; below, "
        f"a histogram of all its numbers. Standard deviations: {told}."
    )
    made = picture(8.0, 3.3, alt)
    places = made.subplots(2, len(starts), height_ratios=(1, 1.6), squeeze=False)
    reach = 3 * max(spreads.values())
    for column, ((name, weights), colour) in enumerate(zip(starts.items(), SERIES, strict=False)):
        above, below = places[0, column], places[1, column]
        above.imshow(_tiled(weights, filters), interpolation="nearest")
        above.set_axis_off()
        above.set_title(name, color=INK, fontsize=10)
        chart(below, f"mean {weights.mean():.3f}, spread {spreads[name]:.3f}", "weight", "")
        below.hist(weights.ravel(), bins=np.linspace(-reach, reach, 60), color=colour, alpha=0.8)
        below.set_yticks([])
    return made


def _tiled(weights: Array, filters: int) -> Array:
    """The filters with the largest spread in two rows: in colour, each on its own scale, 0 in grey."""
    largest = np.argsort(-weights.std(axis=(1, 2, 3)))[:filters]
    shown = weights[largest].transpose(0, 2, 3, 1)
    shown = 0.5 + 0.5 * shown / np.maximum(np.abs(shown).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    framed = np.pad(shown, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    missing = np.full((filters - len(framed), *framed.shape[1:]), np.nan)
    tiles = [*framed, *missing]
    half = filters // 2
    tiled = np.vstack([np.hstack(tiles[:half]), np.hstack(tiles[half : 2 * half])])
    seen = ~np.isnan(tiled[..., :1])
    return np.concatenate([np.where(seen, tiled, 0), seen], axis=-1)  # gaps are clear
