"""A U-Net as a drawing: what each level holds, and what flows where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medgraft.workshop.figures.picture import BLUE, GREEN, ORANGE, VIOLET, Picture, arrow, box, picture, words

_WIDE, _HIGH = 2.1, 0.8
"""Of a box."""
_DROP, _IN = 1.7, 1.6
"""From one level to the next: down, and towards the middle."""


def unet_diagram(
    widths: Sequence[int] = (16, 32, 64), side: int = 64, in_channels: int = 3, classes: int = 1
) -> Picture:
    """A U-Net for images of ``side`` x ``side`` pixels.

    Parameters
    ----------
    widths : channels of each level, from fine to coarse.
    """
    sides = [side // 2**level for level in range(len(widths))]
    held = ", ".join(f"{width} maps of {s} x {s}" for width, s in zip(widths, sides, strict=True))
    alt = (
        f"A U-Net in the form of a U. On the left the levels go down by max pooling: {held}. On the right they go up "
        "again by transposed convolutions. A skip joins the two sides at each level but the lowest."
    )
    bottom = len(widths) - 1
    right = 2 * bottom * _IN + 2.6
    made = picture(8.4, 1.15 * len(widths) + 0.9, alt)
    axes = made.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(-3.1, right + 3.1), ylim=(-_DROP * bottom - 1.5, 1.2))
    for level in range(len(widths)):
        x, y, shape = _IN * level, -_DROP * level, f"{widths[level]} × {sides[level]} × {sides[level]}"
        if level == bottom:
            _level(axes, right / 2, y, shape, VIOLET)
            continue
        _level(axes, x, y, shape, BLUE)
        _level(axes, right - x, y, shape, ORANGE)
        _joined(axes, x, y, right, right / 2 if level + 1 == bottom else x + _IN)
    _ends(axes, right, side, in_channels, classes)
    names = ("max pooling, then DoubleConv", "skip: concatenated", "transposed convolution, then DoubleConv")
    for share, name, colour in zip((-0.12, 0.5, 1.08), names, (BLUE, GREEN, ORANGE), strict=True):
        words(axes, share * right, -_DROP * bottom - 1.2, name, colour)
    return made


def _level(axes: Any, x: float, y: float, shape: str, colour: str) -> None:
    box(axes, x - _WIDE / 2, y - _HIGH / 2, _WIDE, _HIGH, shape, colour)


def _joined(axes: Any, x: float, y: float, right: float, lower: float) -> None:
    """The skip of a level, the way down from it to a box at ``lower``, and the way up to it from its twin."""
    down, up = y - _HIGH / 2, y - _DROP + _HIGH / 2
    arrow(axes, (x + _WIDE / 2, y), (right - x - _WIDE / 2, y), GREEN, dashed=True)
    arrow(axes, (x, down), (lower - 0.4, up), BLUE)
    arrow(axes, (right - lower + 0.4, up), (right - x, down), ORANGE)


def _ends(axes: Any, right: float, side: int, in_channels: int, classes: int) -> None:
    for x, name, channels in ((-2.1, "image", in_channels), (right + 2.1, "logits", classes)):
        words(axes, x, 0.62, f"{name}\n{channels} × {side} × {side}")
    arrow(axes, (-2.2, 0), (-_WIDE / 2, 0))
    arrow(axes, (right + _WIDE / 2, 0), (right + 2.2, 0))
