"""A score over the epochs, or over the seconds, of several trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medgraft.workshop.figures.picture import SERIES, Picture, chart, legend, picture


def training_curves(curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> Picture:
    """One line a training, of points (x, y)."""
    ends = "; ".join(f"{name} ends with {points[-1][1]:.2f} at {points[-1][0]:.3g}" for name, points in curves.items())
    made = picture(6.4, 2.8, f"{y} against {x}: {ends}.")
    axes = chart(made.add_subplot(), "", x, y)
    for (name, points), colour, mark in zip(curves.items(), SERIES, "osD^v", strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, marker=mark, ms=4, lw=1.5, label=name)
    legend(axes, loc="lower right")
    return made
