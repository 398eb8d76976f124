"""The chart of a cross-validation's learning: a thin line a fold, and their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medgraft.report.drawing import Chart, Palette, draw_chart, finish


def folds_chart(
    series: Sequence[Sequence[tuple[float, float]]], measure: str, by: str, name: str, note: str = ""
) -> Chart | None:
    """A measure on validation images, by epoch or penalty.

    Parameters
    ----------
    series : of each fold, pairs (epoch or penalty, value) in order; folds without any are left out.
    measure : its name on the upright axis.
    by : ``epoch``, or ``penalty``, which gets a logarithmic axis.
    name : of the chart's file.

    Returns
    -------
    The chart, or None where no fold has a value. The mean is drawn where every fold has a value.
    """
    drawn = [list(pairs) for pairs in series if pairs]
    if not drawn:
        return None
    places = sorted(set.intersection(*({x for x, _ in pairs} for pairs in drawn)))
    mean = [float(np.mean([dict(pairs)[x] for pairs in drawn])) for x in places]

    def draw(axes: Axes, palette: Palette) -> None:
        marker = "o" if max(map(len, drawn)) < 3 else None
        for pairs in drawn:
            axes.plot(*zip(*pairs, strict=True), color=palette.muted, lw=0.9, alpha=0.7, marker=marker, ms=3)
        axes.plot(places, mean, color=palette.first, lw=2.2, marker=marker)
        if by == "penalty":
            axes.set_xscale("log")
            axes.minorticks_off()
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(axes, palette, "penalty (log scale)" if by == "penalty" else by, f"{measure}, validation")

    last = [pairs[-1][1] for pairs in drawn]
    alt = f"{measure} on validation images by {by}, {len(drawn)} fold{'s' if len(drawn) > 1 else ''}: at the end "
    alt += f"from {min(last):.3f} to {max(last):.3f}"
    ends = f", {mean[-1]:.3f} in the mean" if mean else ""
    return draw_chart(name, f"{measure} by {by}", f"{alt}{ends}.", draw, note)
