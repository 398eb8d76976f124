"""Charts of the structures of masks: image by image, how many were found, and how many are too many."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medgraft.report.drawing import Chart, Palette, draw_chart, finish, legend

_SMALLEST, _LARGEST = 22.0, 400.0
"""Area of a dot of one image, and the largest of several that lie on each other, in points squared."""


def structures_chart(rows: pd.DataFrame, of: str, name: str, title: str, note: str = "") -> Chart | None:
    """How many of an image's structures were found, and how many were drawn that are none; a dot is as large as the
    number of images that it stands for.

    Parameters
    ----------
    rows : of ``predictions.csv``, an image each, with ``structures_true``, ``structures_predicted`` and
        ``structures_found``.
    of : a class, whose own columns are taken; empty for all of the foreground.
    name, title : of the chart's file, and above it.

    Returns
    -------
    The chart, or None where the rows lack these columns or no image has a structure, true or predicted.
    """
    columns = [f"structures_{which}_{of}" if of else f"structures_{which}" for which in ("true", "predicted", "found")]
    if not set(columns) <= set(rows.columns):
        return None
    true, predicted, found = rows[columns].to_numpy(dtype=np.float64).T
    if not (true + predicted).any():
        return None
    extra, most = predicted - found, float(max(true.max(), predicted.max()))

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot([0, true.max()], [0, true.max()], color=palette.muted, lw=1, ls=":")
        for counts, name, colour, marker in (
            (extra, "extra", palette.second, "^"),
            (found, "found", palette.first, "o"),
        ):
            (x, y), images = np.unique(np.stack([true, counts]), axis=1, return_counts=True)
            sizes = np.minimum(_SMALLEST * images, _LARGEST)
            axes.scatter(x, y, s=sizes, color=colour, alpha=0.7, lw=0, marker=marker)
            axes.scatter([], [], s=_SMALLEST, color=colour, marker=marker, lw=0, label=name)
        axes.set(xlim=(-0.03 * most, 1.03 * max(1.0, float(true.max()))), ylim=(-0.03 * most, 1.05 * max(1.0, most)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
        legend(axes, palette, loc="upper left", handletextpad=0.2)
        finish(axes, palette, "structures of the image", "of the model")

    missed = true - found
    alt = (
        f"{title}: in {len(rows)} images {int(found.sum())} of {int(true.sum())} structures found; all of them in "
        f"{int((missed == 0).sum())} images; at most {int(missed.max())} missed and {int(extra.max())} extra in one."
    )
    return draw_chart(name, title, alt, draw, note, (5.0, 3.6))
