"""Charts of a study: the gain of pretraining by number of images and by domain, and how soon cells learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from medgraft.report.drawing import DASHES, Chart, Palette, draw_chart, finish, legend, series_name, short
from medgraft.report.wording import signed

_MARKERS = "osD^vP"
_WHAT = {
    ("WT", "RI"): "weights over random (WT − RI)",
    ("WT", "ST"): "weights over statistics (WT − ST)",
    ("ST", "RI"): "statistics over random (ST − RI)",
}
_WIDE = (5.2, 3.7)

Row = Mapping[str, Any]


def gain_chart(gains: Sequence[Row], title: str, name: str, heading: str, note: str = "") -> Chart | None:
    """The gains of one model, with bands; None where no point is known.

    Parameters
    ----------
    gains : curves of one model: ``better``, ``worse`` and ``points`` with ``images``, ``n``, ``gain``, ``low``,
        ``high``.
    title : of the score, as AUC.
    name, heading : of the chart's file, and what stands over it.
    """
    drawn = [(gain, _known(gain["points"])) for gain in gains]
    drawn = [(gain, points) for gain, points in drawn if points]
    if not drawn:
        return None
    places = {point["n"]: point["images"] for _, points in drawn for point in points}

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(0, color=palette.muted, lw=1, ls=":")
        axes.set_xscale("log")
        for number, (gain, points) in enumerate(drawn):
            colour, shift = palette.series[number], 1.03 ** (number - (len(drawn) - 1) / 2)
            x = np.array([point["images"] * shift for point in points])
            inside = [point["low"] is not None for point in points]
            for place, point, there in zip(x, points, inside, strict=True):
                if there:
                    axes.vlines(place, point["low"], point["high"], color=colour, lw=2, alpha=0.6)
            if sum(inside) > 1 and all(inside):
                axes.fill_between(
                    x, [p["low"] for p in points], [p["high"] for p in points], color=colour, alpha=0.13, lw=0
                )
            label = _WHAT[gain["better"], gain["worse"]]
            axes.plot(
                x, [p["gain"] for p in points], color=colour, marker=_MARKERS[number], ms=6, lw=1.8,
                ls=DASHES[number], label=label,
            )  # fmt: skip
        finish(axes, palette, "training images (log scale)", f"gain in {title}")
        _ticks(axes, places)
        legend(axes, palette, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1)

    said = "; ".join(
        f"{_WHAT[gain['better'], gain['worse']]}: " + ", ".join(f"{_n(p['n'])} {_told(p)}" for p in points)
        for gain, points in drawn
    )
    return draw_chart(name, heading, f"Gain in {title} by training images, {said}.", draw, note, _WIDE)


def _known(points: Sequence[Row]) -> list[Row]:
    return [point for point in points if point["gain"] is not None and point["images"]]


def _ticks(axes: Axes, places: Mapping[str, float]) -> None:
    labels = [f"all ({round(images)})" if n == "all" else n for n, images in places.items()]
    axes.set_xticks(list(places.values()), labels)
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = min(places.values()), max(places.values())
    axes.set_xlim(low / 1.25, high * 1.25)


def _n(n: str) -> str:
    return "all images" if n == "all" else f"{n} images"


def _told(point: Row) -> str:
    return signed(point["gain"]) + (
        "" if point["low"] is None else f" ({signed(point['low'])} to {signed(point['high'])})"
    )


def distance_chart(placed: Sequence[Row], title: str, note: str = "") -> Chart | None:
    """The gain of each data set against its distance from the pretraining images; None for fewer than two."""
    known = [row for row in placed if row["gain"] is not None]
    if len({row["data"] for row in known}) < 2:
        return None
    models = list(dict.fromkeys((row["encoder"], row["strategy"]) for row in known))[:6]

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(0, color=palette.muted, lw=1, ls=":")
        for number, model in enumerate(models):
            colour = palette.series[number]
            for k, row in enumerate(row for row in known if (row["encoder"], row["strategy"]) == model):
                if row["low"] is not None:
                    axes.vlines(row["distance"], row["low"], row["high"], color=colour, lw=2, alpha=0.6)
                label = series_name(" ".join(model)) if k == 0 else None
                axes.plot(row["distance"], row["gain"], color=colour, marker=_MARKERS[number], ms=7, lw=0, label=label)
                axes.annotate(
                    short(row["data"], 20), (row["distance"], row["gain"]), (7, 5), textcoords="offset points",
                    color=palette.ink, fontsize=8, parse_math=False,
                )  # fmt: skip
        finish(axes, palette, "distance from the pretraining images", f"gain in {title}")
        axes.margins(x=0.18)
        legend(axes, palette, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.0))

    said = ", ".join(f"{row['data']} at {row['distance']:.2f} {_told(row)}" for row in known)
    return draw_chart("gain-distance", "Gain by distance", f"Gain in {title} by distance: {said}.", draw, note, _WIDE)


def epochs_chart(costs: Sequence[Row], name: str, heading: str, note: str = "") -> Chart | None:
    """Epochs to 95% of the final score by training images, a line an initialisation; None where none were counted."""
    known = [row for row in costs if row["epochs"] is not None]
    if not known:
        return None
    inits = list(dict.fromkeys(row["init"] for row in known))[:6]
    sizes = sorted({row["n"] for row in known}, key=lambda n: float("inf") if n == "all" else int(n))

    def draw(axes: Axes, palette: Palette) -> None:
        for number, init in enumerate(inits):
            own = {row["n"]: row["epochs"] for row in known if row["init"] == init}
            places = [sizes.index(n) for n in sizes if n in own]
            axes.plot(
                places, [own[sizes[place]] for place in places], color=palette.series[number], marker=_MARKERS[number],
                ms=6, lw=1.8, ls=DASHES[number], label=series_name(init),
            )  # fmt: skip
        finish(axes, palette, "training images", "epochs to 95%")
        axes.set_ylim(bottom=0)
        axes.set_xlim(-0.4, len(sizes) - 0.6)
        axes.set_xticks(range(len(sizes)), sizes)
        legend(axes, palette, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)

    said = ", ".join(f"{row['init']} {_n(row['n'])} {row['epochs']:.1f}" for row in known)
    return draw_chart(name, heading, f"Epochs to 95% of the final score: {said}.", draw, note)
