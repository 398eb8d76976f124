"""What a probability is worth: reliability, and what a threshold does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import BLUE, GREEN, GREY, INK, ORANGE, SERIES, Picture, chart, legend, picture

Array = npt.NDArray[Any]


def reliability_curves(tables: Mapping[str, list[tuple[float, float, int]]]) -> Picture:
    """Mean probability against the share that came true, by bin, of several models: (probability, share, images)."""
    counts = "; ".join(f"{name} in {len(rows)} bins" for name, rows in tables.items())
    alt = f"A reliability diagram. The diagonal is a model whose probabilities come true as often as said. {counts}."
    made = picture(4.6, 3.9, alt)
    axes = chart(made.add_subplot(), "", "mean probability of the bin", "share that came true")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for (name, rows), colour, mark in zip(tables.items(), SERIES, "osD^v", strict=False):
        table = np.array(rows)
        axes.plot(table[:, 0], table[:, 1], color=colour, marker=mark, lw=1.4, label=name)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    legend(axes, loc="upper left")
    return made


def threshold_curves(scores: Array, labels: Array, chosen: float | None = None) -> Picture:
    """Sensitivity, specificity and Youden's J at every threshold from 0 to 1, and where one was chosen."""
    cuts = np.linspace(0, 1, 201)
    sensitivity = np.array([(scores[labels == 1] >= cut).mean() for cut in cuts])
    specificity = np.array([(scores[labels == 0] < cut).mean() for cut in cuts])
    j = sensitivity + specificity - 1
    at = cuts[j.argmax()] if chosen is None else chosen
    alt = (
        f"Sensitivity falls and specificity rises with the threshold. Their sum less one, J, is largest near {at:.2f}, "
        f"where it is {j.max():.2f}."
    )
    made = picture(6.4, 3.0, alt)
    axes = chart(made.add_subplot(), "", "threshold", "")
    curves = (("sensitivity", sensitivity, BLUE), ("specificity", specificity, ORANGE), ("J", j, GREEN))
    for name, values, colour in curves:
        axes.plot(cuts, values, color=colour, lw=1.6, label=name)
    axes.axvline(at, color=INK, lw=1, ls=":")
    legend(axes)
    return made
