"""The receptive field: which input pixels one output value has seen, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.workshop.figures.picture import BLUE, INK, Picture, picture, words

_LAYERS = (("conv 3", 3, 1), ("conv 3", 3, 1), ("max pool 2", 2, 2), ("conv 3", 3, 1), ("conv 3", 3, 1))


@dataclass(frozen=True)
class Level:
    """The values of a layer along one line.

    Attributes
    ----------
    field : input pixels that a value has seen.
    step : input pixels from one value to the next.
    start : the place of value 0, in input pixels.
    seen : the first and last value here that the one at the top has seen.
    """

    name: str
    field: int
    step: int
    start: float
    seen: tuple[int, int] = (0, 0)


def levels(layers: Sequence[tuple[str, int, int]] = _LAYERS) -> list[Level]:
    """From the input to the top, for layers of ``(name, kernel, stride)``."""
    found = [Level("input", 1, 1, 0.0)]
    for name, kernel, stride in layers:
        below = found[-1]
        start = below.start + ((kernel - 1) / 2 - (kernel - 1) // 2) * below.step
        found.append(Level(name, below.field + (kernel - 1) * below.step, below.step * stride, start))
    first = last = 0
    seen = [(first, last)]
    for _, kernel, stride in reversed(layers):
        first, last = first * stride - (kernel - 1) // 2, last * stride - (kernel - 1) // 2 + kernel - 1
        seen.append((first, last))
    return [Level(one.name, one.field, one.step, one.start, at) for one, at in zip(found, reversed(seen), strict=True)]


def receptive_field(layers: Sequence[tuple[str, int, int]] = _LAYERS) -> Picture:
    """One line through a network: a row a layer, the input at the bottom, what the top value has seen filled in.

    Parameters
    ----------
    layers : from the input on, ``(name, kernel, stride)``.
    """
    stack = levels(layers)
    grown = ", ".join(str(level.field) for level in stack[1:])
    figure = picture(
        7.6,
        0.62 * len(stack) + 0.4,
        f"One line through {len(layers)} layers. A value of each layer has seen {grown} input pixels along the line; "
        "after the pooling each further convolution adds twice as many.",
    )
    axes = figure.subplots()
    axes.set_axis_off()
    low, high = (stack[0].start + end for end in stack[0].seen)
    axes.set(xlim=(low - 7.5, high + 7.5), ylim=(-0.7, len(stack) - 0.3))
    for row, level in enumerate(stack):
        _row(axes, row, level, low - 1.5, high + 1.5)
        words(axes, low - 2.2, row, level.name, ha="right")
        words(axes, high + 2.2, row, f"{level.field} pixel{'s' if level.field > 1 else ''}", BLUE, ha="left")
        if row:
            _cone(axes, row, level, stack[row - 1])
    return figure


def _row(axes: Any, row: int, level: Level, low: float, high: float) -> None:
    """Cells of a layer; a cell that the top has seen is filled."""
    from matplotlib.patches import Rectangle

    half = 0.4
    index = int((low - level.start) // level.step)
    while (x := level.start + index * level.step) <= high:
        if x >= low:
            within = level.seen[0] <= index <= level.seen[1]
            opacity = 0.75 if within else 0.0
            box = Rectangle((x - half, row - 0.2), 2 * half, 0.4, facecolor=(0.18, 0.5, 0.76, opacity), edgecolor=INK)
            axes.add_patch(box)
        index += 1


def _cone(axes: Any, row: int, level: Level, below: Level) -> None:
    for place in (0, 1):
        ends = [one.start + one.seen[place] * one.step for one in (below, level)]
        axes.plot(ends, [row - 0.8, row - 0.2], color=BLUE, lw=1)
