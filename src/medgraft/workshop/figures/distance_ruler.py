"""How far images are from those of the pretraining, on one line with others."""

from __future__ import annotations

from collections.abc import Mapping

from medgraft.workshop.figures.picture import BLUE, GREY, INK, ORANGE, Picture, chart, picture

MEASURED = {
    "eight photographs": 0.06, "two photographs": 0.11, "blood cells": 0.26, "skin lesions": 0.27, "nuclei": 0.37,
    "slices of a brain": 0.44, "Gaussian noise": 0.74, "black": 1.19,
}  # fmt: skip
"""EfficientNet-Lite0 at 224 pixels, from docs/explanation/domain-distance.md."""
NEAR, FAR = 0.15, 0.30


def distance_ruler(own: Mapping[str, float] | None = None) -> Picture:
    """The distances that are documented, with your own ones among them; near, moderate and far are marked."""
    marks = sorted([*MEASURED.items(), *(own or {}).items()], key=lambda mark: mark[1])
    alt = "Distances from the pretraining images, from near to far: " + ", ".join(
        f"{name} {value:.2f}" for name, value in marks
    )
    made = picture(7.2, 0.32 * len(marks) + 0.9, f"{alt}. Near is below {NEAR}, far from {FAR} on.")
    axes = chart(made.add_subplot(), "", "distance in BatchNorm statistics", "")
    for place, (name, value) in enumerate(marks):
        mine = own is not None and name in own
        axes.plot([0, value], [place, place], color=ORANGE if mine else BLUE, lw=2, alpha=0.5)
        axes.plot(value, place, marker="D" if mine else "o", color=ORANGE if mine else BLUE)
        axes.text(value + 0.02, place, f"{value:.2f}", va="center", color=INK, fontsize=8)
    for border in (NEAR, FAR):
        axes.axvline(border, color=GREY, lw=1, ls=":")
    axes.set_yticks(range(len(marks)), [name for name, _ in marks])
    axes.set_xlim(0, max(value for _, value in marks) * 1.12)
    return made
