"""Charts of a run: curves over epochs, histogram of a score, and paired scores of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medgraft.report.drawing import Chart, Palette, draw_chart, finish, short
from medgraft.report.wording import metric_name
from medgraft.scores import Interval


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
    stages, best_of = _stage_changes(history), next(iter(series))

    def draw(axes: Axes, palette: Palette) -> None:
        looks = {"val": (palette.first, "-", "validation"), "train": (palette.second, "--", "training")}
        for split, points in series.items():
            colour, line, label = looks[split]
            marker = "o" if len(points) < 3 else None
            if key != "loss" and split == best_of:
                label += f", best {_best(points)[1]:.3f}"
                axes.plot(*_best(points), "o", color=colour, ms=8, mfc="none", mew=2)
            axes.plot(*zip(*points, strict=True), line, color=colour, marker=marker, lw=2, label=label)
        _mark_stages(axes, palette, stages)
        finish(axes, palette, "epoch", "Loss" if key == "loss" else metric_name(key))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, labelcolor=palette.ink, loc="best")

    ends = "; ".join(
        f"{'validation' if split == 'val' else 'training'} from {points[0][1]:.3f} to {points[-1][1]:.3f}"
        for split, points in series.items()
    )
    alt = f"{title} over {len(history)} epochs: {ends}."
    return draw_chart(f"curve-{key}", title, alt, draw, note)


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
        finish(axes, palette, "Dice", f"{split} images")

    low, middle = float(found.min()), float(np.median(found))
    alt = (
        f"Histogram of the Dice of {len(found)} {split} images: lowest {low:.2f}, median {middle:.2f}, "
        f"highest {found.max():.2f}."
    )
    return draw_chart("histogram-dice", "Dice by image", alt, draw, note)


def paired(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    first: str,
    other: str,
    name: str,
    note: str = "",
    measure: str = "Dice",
) -> Chart:
    """Each image as a point, its Dice (or another measure) in the first run to the right and in the other upwards.

    Parameters
    ----------
    x, y : [n] the measure of the same images in the first run and in the other, from 0 to 1; at least one image.
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
        # The name is cut further where the measure's own is long, for an axis holds some 44 letters.
        room = min(34, 42 - len(measure))
        finish(axes, palette, f"{measure}, {short(first, room)}", f"{measure}, {short(other, room)}")

    alt = (
        f"Scatter of the {measure} of {len(x)} images: {other} is better on {better}, worse on {worse} "
        f"and equal on {len(x) - better - worse} than {first}."
    )
    return draw_chart(name, f"{other} against {first}", alt, draw, note, size=(4.2, 4.2))


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
        finish(axes, palette, "images, in order", "difference of Dice")

    alt = (
        f"Difference of Dice of {len(gain)} images, {other} less {first}: from {ordered[0]:+.3f} over a median "
        f"of {np.median(ordered):+.3f} to {ordered[-1]:+.3f}."
    )
    return draw_chart(name, f"{other} less {first}", alt, draw, note, size=(4.2, 4.2))


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


def _best(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return max(points, key=lambda point: point[1])


def _mark_stages(axes: Axes, palette: Palette, stages: Sequence[tuple[float, str]]) -> None:
    for epoch, stage in stages:
        axes.axvline(epoch, color=palette.muted, lw=1, ls=":")
        axes.annotate(
            short(stage, 32), (epoch, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0),
            textcoords="offset points", rotation=90, va="bottom", color=palette.muted, fontsize=8,
            parse_math=False,
        )  # fmt: skip
