"""Charts of a run: curves, histogram and paired scores, as PNG and as SVG in the colours of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medgraft.scores import Interval


@dataclass(frozen=True)
class Palette:
    """The colours of a chart: text, quiet text, grid lines, and two series."""

    ink: str = "#1b2733"
    muted: str = "#5b6b78"
    grid: str = "#d9e0e6"
    first: str = "#0072b2"
    second: str = "#c75000"


LIGHT = Palette()
# Colours that nothing else uses; in the SVG each is exchanged for the page's own, which know light and dark.
_THEMED = Palette("#010203", "#010204", "#010205", "#010206", "#010207")
_VARIABLES = Palette("var(--ink)", "var(--muted)", "var(--line)", "var(--series-1)", "var(--series-2)")


@dataclass(frozen=True)
class Chart:
    """A chart with its words: ``svg`` for the page (``alt`` must stand beside it) and ``png``."""

    name: str
    title: str
    alt: str
    svg: Markup
    png: bytes


def curves(history: Sequence[Mapping[str, Any]], key: str, title: str, note: str = "") -> Chart | None:
    """A measure over the epochs, for training and validation, with stage changes marked.

    Parameters
    ----------
    history : lines of ``history.jsonl``.
    key : the measure in ``train`` and ``val``, as ``loss`` or ``dice``.
    note : words that every copy of the chart carries, as "SYNTHETIC data".

    Returns
    -------
    The chart, or None where no epoch has the measure.
    """
    series = {split: _series(history, split, key) for split in ("val", "train")}
    series = {split: points for split, points in series.items() if points}
    if not series:
        return None
    stages = _stage_changes(history)

    def draw(axes: Axes, palette: Palette) -> None:
        looks = {"val": (palette.first, "-", "validation"), "train": (palette.second, "--", "training")}
        for split, points in series.items():
            colour, line, label = looks[split]
            marker = "o" if len(points) < 3 else None
            axes.plot(*zip(*points, strict=True), line, color=colour, marker=marker, lw=2, label=label)
        if key == "dice":
            _mark_best(axes, palette, next(iter(series.values())))
        _mark_stages(axes, palette, stages)
        _finish(axes, palette, "epoch", key.capitalize())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, labelcolor=palette.ink, loc="best")

    ends = "; ".join(
        f"{'validation' if split == 'val' else 'training'} from {points[0][1]:.3f} to {points[-1][1]:.3f}"
        for split, points in series.items()
    )
    alt = f"{title} over {len(history)} epochs: {ends}."
    return _chart(f"curve-{key}", title, alt, draw, note)


def histogram(values: Sequence[float], mean: Interval | None, split: str, note: str = "") -> Chart | None:
    """How many images have which Dice, with the mean and its interval; None without values."""
    found = np.asarray([value for value in values if np.isfinite(value)], float)
    if not len(found):
        return None

    def draw(axes: Axes, palette: Palette) -> None:
        axes.hist(found, bins=20, range=(0, 1), color=palette.first, alpha=0.75, rwidth=0.92)
        if mean is not None and np.isfinite(mean.value):
            axes.axvspan(mean.low, mean.high, color=palette.second, alpha=0.25, lw=0, zorder=0.6)
            axes.axvline(mean.value, color=palette.second, lw=2)
            axes.annotate(
                f"mean {mean.value:.3f}", (mean.value, 1), xycoords=("data", "axes fraction"),
                xytext=(-6, -4), textcoords="offset points", ha="right", va="top", color=palette.ink,
            )  # fmt: skip
        axes.set_xlim(0, 1)
        axes.margins(y=0.16)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, palette, "Dice", f"{split} images")

    low, middle = float(found.min()), float(np.median(found))
    alt = (
        f"Histogram of the Dice of {len(found)} {split} images: lowest {low:.2f}, median {middle:.2f}, "
        f"highest {found.max():.2f}."
    )
    return _chart("histogram-dice", "Dice by image", alt, draw, note)


def paired(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], first: str, other: str, name: str, note: str = ""
) -> Chart:
    """Each image as a point, its Dice in the first run to the right and in the other upwards.

    Parameters
    ----------
    x, y : [n] Dice of the same images in the first run and in the other; at least one image.
    first, other : the runs' names.
    name : of the chart's file.
    """
    better, worse = int((y > x).sum()), int((y < x).sum())

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot([0, 1], [0, 1], color=palette.muted, lw=1)
        for chosen, colour, marker in ((y >= x, palette.first, "o"), (y < x, palette.second, "v")):
            axes.scatter(x[chosen], y[chosen], s=26, color=colour, marker=marker, alpha=0.75, lw=0, clip_on=False)
        low = max(-0.02, float(min(x.min(), y.min())) - 0.04)
        axes.set(xlim=(low, 1.01), ylim=(low, 1.01), aspect="equal")
        _finish(axes, palette, f"Dice, {_short(first)}", f"Dice, {_short(other)}")

    alt = (
        f"Scatter of the Dice of {len(x)} images: {other} is better on {better}, worse on {worse} "
        f"and equal on {len(x) - better - worse} than {first}."
    )
    return _chart(name, f"{other} against {first}", alt, draw, note, size=(4.2, 4.2))


def gains(gain: npt.NDArray[np.float64], first: str, other: str, name: str, note: str = "") -> Chart:
    """The difference of Dice of each image as a bar, from the largest loss to the largest gain.

    Parameters
    ----------
    gain : [n] Dice in the run ``other`` less that in the run ``first``; at least one image.
    name : of the chart's file.
    """
    ordered = np.sort(gain)

    def draw(axes: Axes, palette: Palette) -> None:
        colours = [palette.first if value >= 0 else palette.second for value in ordered]
        axes.bar(np.arange(1, len(ordered) + 1), ordered, width=0.85, color=colours, alpha=0.8)
        axes.axhline(0, color=palette.muted, lw=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, palette, "images, in order", "difference of Dice")

    alt = (
        f"Difference of Dice of {len(gain)} images, {other} less {first}: from {ordered[0]:+.3f} over a median "
        f"of {np.median(ordered):+.3f} to {ordered[-1]:+.3f}."
    )
    return _chart(name, f"{other} less {first}", alt, draw, note, size=(4.2, 4.2))


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _series(history: Sequence[Mapping[str, Any]], split: str, key: str) -> list[tuple[float, float]]:
    rows = [(line.get("epoch", n), (line.get(split) or {}).get(key)) for n, line in enumerate(history, 1)]
    return [(float(epoch), float(value)) for epoch, value in rows if value is not None]


def _stage_changes(history: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """The epoch before which each new stage began, with the stage's name."""
    pairs = pairwise(history)
    return [
        (float(after["epoch"]) - 0.5, str(after.get("stage")))
        for before, after in pairs
        if before.get("stage") != after.get("stage")
    ]


def _mark_best(axes: Axes, palette: Palette, points: Sequence[tuple[float, float]]) -> None:
    epoch, value = max(points, key=lambda point: point[1])
    axes.plot([epoch], [value], "o", color=palette.first, ms=8, mfc="none", mew=2)
    axes.annotate(
        f"best {value:.3f}", (epoch, value), xytext=(0, 8), textcoords="offset points", ha="right",
        color=palette.ink,
    )  # fmt: skip
    axes.margins(y=0.18)


def _mark_stages(axes: Axes, palette: Palette, stages: Sequence[tuple[float, str]]) -> None:
    for epoch, stage in stages:
        axes.axvline(epoch, color=palette.muted, lw=1, ls=":")
        axes.annotate(
            _short(stage, 32), (epoch, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0),
            textcoords="offset points", rotation=90, va="bottom", color=palette.muted, fontsize=8,
            parse_math=False,
        )  # fmt: skip


def _finish(axes: Axes, palette: Palette, x: str, y: str) -> None:
    axes.set_xlabel(x, color=palette.muted, parse_math=False)
    axes.set_ylabel(y, color=palette.muted, parse_math=False)
    axes.grid(True, color=palette.grid, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.muted, length=0)
    axes.tick_params(axis="x", pad=6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)


def _chart(
    name: str,
    title: str,
    alt: str,
    draw: Callable[[Axes, Palette], None],
    note: str = "",
    size: tuple[float, float] = (4.3, 3.3),
) -> Chart:
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10}
    with matplotlib.rc_context(settings):
        themed = _figure(draw, _THEMED, note, size, filled=False)
        svg = io.StringIO()
        themed.savefig(svg, format="svg", transparent=True)
        png = io.BytesIO()
        _figure(draw, LIGHT, note, size, filled=True).savefig(png, format="png", dpi=160)
    return Chart(name, title, alt, _themed(svg.getvalue()), png.getvalue())


def _figure(
    draw: Callable[[Axes, Palette], None],
    palette: Palette,
    note: str,
    size: tuple[float, float],
    *,
    filled: bool,
) -> Figure:
    figure = Figure(figsize=size, layout="constrained", facecolor="white" if filled else "none")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor="none")
    draw(axes, palette)
    if note:
        axes.set_title(note, loc="right", fontsize=8, color=palette.muted, parse_math=False)
    return figure


def _themed(svg: str) -> Markup:
    """The drawing alone, without file headers, in the page's colours and without ids that would clash."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 aria-hidden="true" focusable="false"', body, count=1)
    for sentinel, variable in zip(astuple(_THEMED), astuple(_VARIABLES), strict=True):
        body = body.replace(sentinel, variable)
    return Markup(body)
