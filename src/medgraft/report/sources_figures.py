"""The chart of a comparison of sources: each one's test score with its interval, the best on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from medgraft.report.drawing import Chart, Palette, draw_chart, finish, short

_MOST = 24
"""Sources that a chart has room for; the table has all."""


def ranking_chart(part: Mapping[str, Any], title: str, name: str, note: str = "") -> Chart | None:
    """The sources at one number of training images; None for fewer than two.

    Parameters
    ----------
    part : ``n`` and ``rows``, each with ``name``, ``value``, ``low``, ``high``, ``standing``.
    """
    rows = part["rows"][:_MOST]
    if len(rows) < 2:
        return None

    def draw(axes: Axes, palette: Palette) -> None:
        for place, row in enumerate(rows):
            colour = palette.third if row["standing"] == "best" else palette.first
            colour = palette.muted if row["standing"] == "behind" else colour
            if row["low"] is not None:
                axes.hlines(place, row["low"], row["high"], color=colour, lw=3, alpha=0.55)
            axes.plot(row["value"], place, color=colour, marker="o", ms=7, lw=0)
        axes.axvline(rows[0]["value"], color=palette.muted, lw=1, ls=":")
        finish(axes, palette, f"test {title} (95% interval)", "")
        axes.set_yticks(range(len(rows)), [short(row["name"], 26) for row in rows], parse_math=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", labelcolor=palette.ink)

    heading = "All training images" if part["n"] == "all" else f"{part['n']} training images"
    said = "; ".join(
        f"{row['name']} {row['value']:.3f}"
        + ("" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})")
        for row in rows
    )
    return draw_chart(name, heading, f"Test {title}, best first: {said}.", draw, note, (5.2, 1.2 + 0.34 * len(rows)))
