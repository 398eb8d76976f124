"""What three starts of an encoder have in common, and what they have not: the numbers in one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import INK, SERIES, Picture, chart, picture

Array = npt.NDArray[Any]


def weight_histograms(starts: Mapping[str, Array], filters: int = 12) -> Picture:
    """Histograms of the first convolution [out, in, k, k] of each start, and above them some of its filters."""
    spreads = {name: float(weights.std()) for name, weights in starts.items()}
    alt = (
        "The first convolution of three starts: above, some of its filters as small pictures; below, a histogram of "
        f"all its numbers. Standard deviations: {', '.join(f'{name} {value:.3f}' for name, value in spreads.items())}."
    )
    made = picture(8.0, 3.3, alt)
    places = made.subplots(2, len(starts), height_ratios=(1, 1.6), squeeze=False)
    reach = 3 * max(spreads.values())
    for column, ((name, weights), colour) in enumerate(zip(starts.items(), SERIES, strict=False)):
        above, below = places[0, column], places[1, column]
        above.imshow(_tiled(weights, filters), cmap="gray", interpolation="nearest")
        above.set_axis_off()
        above.set_title(name, color=INK, fontsize=10)
        chart(below, f"mean {weights.mean():.3f}, spread {spreads[name]:.3f}", "weight", "")
        below.hist(weights.ravel(), bins=np.linspace(-reach, reach, 60), color=colour, alpha=0.8)
        below.set_yticks([])
    return made


def _tiled(weights: Array, filters: int) -> Array:
    """Filters in two rows, each averaged over its input channels and stretched to its own range; gaps are empty."""
    shown = weights[:filters].mean(axis=1)
    shown = shown - shown.min(axis=(1, 2), keepdims=True)
    shown = shown / np.maximum(shown.max(axis=(1, 2), keepdims=True), 1e-12)
    framed = np.pad(shown, ((0, filters - len(shown)), (1, 1), (1, 1)), constant_values=np.nan)
    half = filters // 2
    return np.vstack([np.hstack(list(framed[:half])), np.hstack(list(framed[half : 2 * half]))])
