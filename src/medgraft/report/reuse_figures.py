"""Charts of feature reuse: heat maps of similarity, and by block what is lost, moved and told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from medgraft.report.drawing import Chart, Palette, draw_chart, finish, legend, short

_COLOURS = "viridis"
_WRITTEN = 10
"""Up to so many blocks a side the cells of a heat map hold their numbers."""
_NAMED = 16
"""Up to so many blocks an axis has their names, else every few numbers."""
_BRIGHT = 0.62
"""From this value on a cell is so bright that its number is black."""

Span = Mapping[str, Any]


def heat_map(
    pair: Mapping[str, Any], rows: Sequence[str], columns: Sequence[str], name: str, measure: str, note: str = ""
) -> Chart:
    """Similarity of every block of one model with every block of another.

    Parameters
    ----------
    pair : ``first``, ``second`` and ``values``, rows of which are blocks of the first; None where undefined.
    rows, columns : the blocks' names.
    name, measure : of the chart's file, and what the values are.
    """
    values = np.array([[np.nan if v is None else v for v in row] for row in pair["values"]], float)
    small = max(values.shape) <= _WRITTEN

    def draw(axes: Axes, palette: Palette) -> None:
        axes.pcolormesh(values, vmin=0, vmax=1, cmap=_COLOURS, edgecolors="face", linewidth=0.3)
        axes.invert_yaxis()
        for (row, column), value in np.ndenumerate(values):
            if not small and not math.isnan(value):
                continue
            text = "–" if math.isnan(value) else f"{value:.2f}"
            colour = palette.muted if math.isnan(value) else "#000000" if value >= _BRIGHT else "#ffffff"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)
        finish(axes, palette, pair["second"], pair["first"])
        axes.grid(False)
        axes.set_aspect("equal")
        _names(axes.set_xticks, columns, rotation=45, ha="right")
        _names(axes.set_yticks, rows)
        axes.spines["bottom"].set_visible(False)

    same = pair["first"] == pair["second"]
    defined = values[~np.isnan(values)]
    alt = f"{measure} of the blocks {pair['first']} with those {pair['second']}"
    if len(defined):
        alt += f": from {defined.min():.2f} to {defined.max():.2f}"
    if not same and values.shape[0] == values.shape[1]:
        alt += ", of each block with itself " + ", ".join("–" if math.isnan(v) else f"{v:.2f}" for v in np.diag(values))
    title = f"Within one model: {pair['first']}" if same else f"{pair['first']} and {pair['second']}"
    return draw_chart(name, title[0].upper() + title[1:], alt + ".", draw, note, (4.9, 4.5))


def loss_chart(robustness: Mapping[str, Any], blocks: Sequence[str], note: str = "") -> Chart:
    """What the score loses where one block is put back or drawn anew, with intervals."""
    series = [("put back to before training", robustness["put_back"])]
    if robustness["redrawn"]:
        series.append(("drawn anew", robustness["redrawn"]))
    title = f"{robustness['title']} lost, by block"

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(0, color=palette.muted, lw=1, ls=":")
        for number, (label, spans) in enumerate(series):
            shift = (number - (len(series) - 1) / 2) * 0.28
            _spans(axes, palette.series[number], "os"[number], shift, spans, label)
        _by_block(axes, palette, blocks, f"{robustness['title']} lost")
        if len(series) > 1:
            legend(axes, palette, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)

    said = ", ".join(f"{name} {_value(span)}" for name, span in zip(blocks, robustness["put_back"], strict=True))
    return draw_chart(
        "loss", title, f"{robustness['title']} lost where one block is put back: {said}.", draw, note, _WIDE
    )


def movement_chart(rows: Sequence[Mapping[str, Any]], blocks: Sequence[str], note: str = "") -> Chart:
    """How far a weight of each block moved, root mean square; scales and shifts of norms apart."""
    parts = (("weights", "weights"), ("norms", "scales and shifts of norms"))
    values = {part: [row[part]["rms"] for row in rows] for part, _ in parts}
    positive = [value for column in values.values() for value in column if value > 0]
    logarithmic = len(positive) > 1 and max(positive) > 50 * min(positive)

    def draw(axes: Axes, palette: Palette) -> None:
        for number, (part, label) in enumerate(parts):
            places = np.arange(len(blocks)) + (number - 0.5) * 0.36
            hatch = None if number == 0 else "////"
            axes.bar(
                places, values[part], width=0.34, label=label, hatch=hatch, lw=0 if hatch is None else 0.6,
                color=palette.series[number] if hatch is None else "none", edgecolor=palette.series[number],
            )  # fmt: skip
        if logarithmic:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        _by_block(axes, palette, blocks, "change of a number (RMS)" + (", log scale" if logarithmic else ""))
        legend(axes, palette, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)

    said = ", ".join(f"{name} {value:.2g}" for name, value in zip(blocks, values["weights"], strict=True))
    alt = f"Root mean square change of a weight by block: {said}."
    return draw_chart("movement", "How far a weight moved, by block", alt, draw, note, _WIDE)


def neighbours_chart(rows: Sequence[Mapping[str, Any]], blocks: Sequence[str], note: str = "") -> Chart | None:
    """AUC of a vote of nearest neighbours at each block, before and after; None where there is none."""
    if not any(row["after"] for row in rows):
        return None

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(0.5, color=palette.muted, lw=1, ls=":")
        for number, (key, label) in enumerate((("before", "before training"), ("after", "after training"))):
            _spans(
                axes, palette.series[number], "os"[number], (number - 0.5) * 0.2, [r[key] for r in rows], label, True
            )
        _by_block(axes, palette, blocks, "AUC of the vote")
        legend(axes, palette, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)

    said = ", ".join(
        f"{name} {_value(r['before'])} and {_value(r['after'])}" for name, r in zip(blocks, rows, strict=True)
    )
    alt = f"AUC of nearest neighbours by block, before and after training: {said}."
    return draw_chart("neighbours", "What the neighbours tell, by block", alt, draw, note, _WIDE)


_WIDE = (6.4, 3.7)


def _spans(
    axes: Axes, colour: str, marker: str, shift: float, spans: Sequence[Span | None], label: str, joined: bool = False
) -> None:
    """A mark a block with its interval."""
    known = [
        (place + shift, span) for place, span in enumerate(spans) if span is not None and span["value"] is not None
    ]
    for place, span in known:
        if span["low"] is not None and span["high"] is not None:
            axes.vlines(place, span["low"], span["high"], color=colour, lw=2, alpha=0.55)
    places, values = [place for place, _ in known], [span["value"] for _, span in known]
    axes.plot(places, values, color=colour, marker=marker, ms=5, lw=1.2 if joined else 0, label=label)


def _by_block(axes: Axes, palette: Palette, blocks: Sequence[str], what: str) -> None:
    finish(axes, palette, "", what)
    axes.set_xlim(-0.6, len(blocks) - 0.4)
    _names(axes.set_xticks, blocks, 0.0, rotation=35, ha="right")


def _names(ticks: Callable[..., Any], blocks: Sequence[str], middle: float = 0.5, **options: Any) -> None:
    every = math.ceil(len(blocks) / _NAMED)
    chosen = list(range(0, len(blocks), every))
    labels = [f"{place + 1} {short(blocks[place], 14)}" for place in chosen]
    ticks([place + middle for place in chosen], labels, fontsize=8, **options)


def _value(span: Span | None) -> str:
    return "–" if span is None or span["value"] is None else f"{span['value']:.3f}"


def colour_scale() -> str:
    """The colours of a heat map as a CSS gradient from 0 to 1, for a legend."""
    colours = (matplotlib.colors.to_hex(matplotlib.colormaps[_COLOURS](place)) for place in np.linspace(0, 1, 7))
    return f"linear-gradient(90deg, {', '.join(colours)})"
