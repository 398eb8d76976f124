"""A transposed convolution step by step: every pixel stamps the kernel, stamps are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import INK, ON_TINT, ORANGE, Picture, picture, tint, words

Floats = npt.NDArray[np.float64]
_VALUES = np.array([[1.0, 2.0], [3.0, 4.0]])
_KERNEL = np.array([[1.0, 0.5], [0.5, 0.25]])


def stamped(values: Floats, kernel: Floats, stride: int) -> list[Floats]:
    """The output after each pixel of ``values`` has left its stamp, row by row; the last is the whole answer."""
    (rows, columns), (high, wide) = values.shape, kernel.shape
    done = [np.zeros(((rows - 1) * stride + high, (columns - 1) * stride + wide))]
    for (row, column), value in np.ndenumerate(values):
        more = done[-1].copy()
        more[row * stride : row * stride + high, column * stride : column * stride + wide] += value * kernel
        done.append(more)
    return done[1:]


def transposed_convolution(values: Floats = _VALUES, kernel: Floats = _KERNEL, stride: int = 2) -> Picture:
    """The input, the kernel, and the output after each step; the newest stamp is framed."""
    values, kernel = np.asarray(values, float), np.asarray(kernel, float)
    steps = stamped(values, kernel, stride)
    figure = picture(
        1.75 * (len(steps) + 2),
        2.2,
        f"An input of {_size(values)} and a kernel of {_size(kernel)} with stride {stride}. Each input pixel, times "
        f"the kernel, is added to the output at {stride} times its place; after {len(steps)} steps the output is "
        f"{_size(steps[-1])}: {steps[-1].tolist()}.",
    )
    panels = figure.subplots(1, len(steps) + 2)
    _grid(panels[0], values, "input")
    _grid(panels[1], kernel, "kernel")
    for place, (axes, output) in enumerate(zip(panels[2:], steps, strict=True)):
        row, column = divmod(place, values.shape[1])
        _grid(axes, output, f"+ {values[row, column]:g} × kernel")
        corner = (column * stride - 0.5, row * stride - 0.5)
        axes.add_patch(_frame(corner, (kernel.shape[1], kernel.shape[0]), ORANGE, 2.5))
    return figure


def _size(values: Floats) -> str:
    return " x ".join(str(side) for side in values.shape)


def _grid(axes: Any, values: Floats, title: str) -> None:
    most = max(float(np.abs(values).max()), 1e-9)
    for (row, column), value in np.ndenumerate(values):
        axes.add_patch(_cell((column - 0.5, row - 0.5), 0.5 * abs(float(value)) / most))
        words(axes, column, row, f"{value:g}" if value else "·", ON_TINT if value else INK, fontsize=9)
    axes.set(xlim=(-0.65, values.shape[1] - 0.35), ylim=(values.shape[0] - 0.35, -0.65), aspect="equal")
    axes.set_axis_off()
    axes.set_title(title, color=INK, fontsize=9)


def _cell(corner: tuple[float, float], share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, facecolor=tint(share) if share else "none", edgecolor=INK, lw=0.8)


def _frame(corner: tuple[float, float], size: tuple[int, int], color: str, width: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, *size, facecolor="none", edgecolor=color, lw=width)
