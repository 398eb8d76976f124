"""Where the seconds of an epoch go: of runs, as they measured themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medgraft.workshop.figures.picture import BLUE, GREEN, ORANGE, VIOLET, Picture, chart, legend, picture, words

PARTS = {
    "data": ("reading and augmenting", BLUE),
    "encoder": ("fixed part: forward only", GREEN),
    "learning": ("what learns: forward and backward", ORANGE),
    "validation": ("validation", VIOLET),
}
"""Of an epoch, as a history names them; what they are, and in which colour."""


def median_times(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of each part of an epoch, the median over the epochs after the first, which also warms up."""
    epochs = history[1:] or history
    return {part: float(np.median([epoch.get("time", {}).get(part, 0.0) for epoch in epochs])) for part in PARTS}


def where_time_goes(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> Picture:
    """A bar a run, of the parts of its epochs.

    Parameters
    ----------
    histories : by name, ``run.history``.
    """
    times = {name: median_times(history) for name, history in histories.items()}
    said = "; ".join(f"{name}: {_words(parts)}" for name, parts in times.items())
    figure = picture(7.0, 1.4 + 0.5 * len(times), f"Seconds of an epoch by part. {said}.")
    axes = figure.subplots()
    for row, parts in enumerate(times.values()):
        left = 0.0
        for part, seconds in parts.items():
            what, color = PARTS[part]
            axes.barh(row, seconds, 0.55, left, color=color, label=what if row == 0 else "")
            left += seconds
        words(axes, left, row, f"  {left:.2f} s", ha="left")
    chart(axes, "", "seconds of an epoch")
    axes.set_yticks(range(len(times)), list(times))
    axes.set_xlim(0, 1.2 * max(sum(parts.values()) for parts in times.values()))
    axes.invert_yaxis()
    legend(axes, ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return figure


def _words(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{PARTS[part][0]} {seconds:.2f} s" for part, seconds in parts.items())
