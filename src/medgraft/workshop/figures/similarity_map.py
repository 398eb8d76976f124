"""How alike the blocks of two encoders are, or of one before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import INK, SERIES, Picture, chart, legend, picture

Array = npt.NDArray[Any]


def similarity_map(
    values: Array, names: Sequence[str], rows: str = "before training", columns: str = "after training"
) -> Picture:
    """CKA of every block with every other as a grid of shades with numbers, [blocks, blocks]."""
    diagonal = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, np.diagonal(values), strict=True))
    alt = f"A grid of CKA, {rows} in rows and {columns} in columns. Of each block with itself: {diagonal}."
    made = picture(5.6, 4.8, alt)
    axes = chart(made.add_subplot(), "CKA", columns, rows)
    axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        colour = "#101418" if value > 0.55 else "#f2f4f6"
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=6.5, color=colour)
    return made


def block_curves(curves: dict[str, Sequence[float]], names: Sequence[str], what: str, chance: float | None) -> Picture:
    """A figure a block, input to output, of several encoders; a dotted line where chance would be."""
    ends = "; ".join(f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, values in curves.items())
    made = picture(6.6, 3.0, f"{what} at each block, from the input to the output: {ends}.")
    axes = chart(made.add_subplot(), "", "", what)
    for (name, values), colour, mark in zip(curves.items(), SERIES, "osD^v", strict=False):
        axes.plot(range(len(values)), values, color=colour, marker=mark, lw=1.4, label=name)
    if chance is not None:
        axes.axhline(chance, color=INK, lw=1, ls=":")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    legend(axes)
    return made
