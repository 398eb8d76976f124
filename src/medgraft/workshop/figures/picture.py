"""What all figures share: no background of their own, and colours that are read on white and on black."""

from __future__ import annotations

import io
from binascii import b2a_base64
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK = "#7c8794"
"""Text and lines: 3.5 to 1 or more against white and against black."""
BLUE, ORANGE, GREEN, VIOLET, GREY = "#3b86c4", "#cc6a1c", "#2f9170", "#a45d93", "#8b8f96"
"""Series; with blue and orange first, which all eyes tell apart."""
SERIES = (BLUE, ORANGE, GREEN, VIOLET, GREY)
ON_TINT = "#1f2933"
"""Numbers on a :func:`tint`, whatever the ground around it."""


class Picture(Figure):
    """A figure that shows itself in a notebook, with words for whoever cannot see it.

    Attributes
    ----------
    alt : the words.
    """

    alt: str = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=110, bbox_inches="tight")
        content = b2a_base64(written.getvalue(), newline=False).decode("ascii")
        return {"image/png": content, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}


def picture(width: float, height: float, alt: str) -> Picture:
    """An empty figure of so many inches."""
    made = Picture(figsize=(width, height), facecolor="none", layout="constrained")
    made.alt = alt
    return made


def tint(share: float) -> tuple[float, float, float]:
    """Blue mixed with white, from none of it (0) to pure blue (1): a ground of its own for numbers in cells."""
    red, green, blue = (1 - share * (1 - part) for part in (0.18, 0.5, 0.76))
    return red, green, blue


def chart(axes: Axes, title: str = "", x: str = "", y: str = "") -> Axes:
    """Give axes the quiet look that all charts share."""
    axes.patch.set_alpha(0)
    axes.set_title(title, color=INK, fontsize=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    return axes


def legend(axes: Axes, **options: Any) -> None:
    """A legend without a box."""
    axes.legend(frameon=False, labelcolor=INK, fontsize=8, **options)


def drawing(axes: Axes, width: float, height: float) -> Axes:
    """Axes to draw boxes and arrows on, from (0, 0) to (width, height)."""
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str = "", colour: str = BLUE) -> None:
    """A box with its lower left corner at (x, y), lightly filled, with words in its middle."""
    shape = "round,pad=0,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, fc=colour, ec="none", alpha=0.12))
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, fc="none", ec=colour, lw=1.4))
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=INK, fontsize=8)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK, dashed: bool = False
) -> None:
    """An arrow from one point to another."""
    style = "--" if dashed else "-"
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=colour, lw=1.3, ls=style))


def words(axes: Axes, x: float, y: float, text: str, colour: str = INK, **options: Any) -> None:
    """Small words at a place."""
    options = {"fontsize": 8, "ha": "center", "va": "center", **options}
    axes.text(x, y, text, color=colour, **options)
