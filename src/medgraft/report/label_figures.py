"""Charts of a classification run: ROC, precision and recall, probabilities by class, and penalties tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from medgraft.report.drawing import DASHES, Chart, Palette, draw_chart, finish, legend, series_name
from medgraft.report.label_curves import GRID, Curve
from medgraft.report.wording import metric_name, split_name

Floats = npt.NDArray[np.float64]

SQUARE = (4.2, 3.9)
# Beside others of its kind a chart is drawn small, so that its letters keep their size on the page.
SMALL = (2.9, 2.75)
_PERCENT = FuncFormatter(lambda value, _: f"{100 * abs(value):.0f}%")


def roc_chart(
    curve: Curve,
    name: str,
    title: str,
    folds: Sequence[Curve] = (),
    note: str = "",
    size: tuple[float, float] = SQUARE,
) -> Chart:
    """A ROC curve with its band, thin lines for the folds, and the diagonal of guessing.

    Parameters
    ----------
    name, title : of the chart's file, and above it.
    folds : curves of the folds of a cross-validation.
    note : words that every copy of the chart carries, as "SYNTHETIC data".
    """

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot([0, 1], [0, 1], color=palette.muted, lw=1, ls=":")
        _lines(axes, palette, curve, folds, steps=False)
        _corner(axes, palette, f"AUC {curve.area:.3f}", right=True)
        _unit_square(axes, palette, "false alarms (1 − specificity)", "found (sensitivity)")

    alt = (
        f"ROC curve, {title}: area {curve.area:.3f}; "
        f"{_height(curve, 0.1):.0%} found at 10% false alarms, {_height(curve, 0.2):.0%} at 20%."
    )
    return draw_chart(name, title, alt + _folds_said(folds, "area"), draw, note, size)


def precision_recall_chart(
    curve: Curve,
    share: float,
    name: str,
    title: str,
    folds: Sequence[Curve] = (),
    note: str = "",
    size: tuple[float, float] = SQUARE,
) -> Chart:
    """Precision over recall with its band; a dotted line marks guessing, which is as precise as the class is common.

    Parameters
    ----------
    share : of images that have the class.
    name, title, folds, note : as for :func:`roc_chart`.
    """

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(share, color=palette.muted, lw=1, ls=":")
        _lines(axes, palette, curve, folds, steps=True)
        # Above the line of guessing where the letters would lie on it.
        _corner(axes, palette, f"AP {curve.area:.3f}", right=False, height=share + 0.03 if share < 0.16 else 0.05)
        _unit_square(axes, palette, "found (sensitivity)", "precision")

    alt = (
        f"Precision-recall curve, {title}: average precision {curve.area:.3f}, where guessing gives {share:.3f}; "
        f"precision {_step_height(curve, 0.5):.0%} at half found, {_step_height(curve, 0.9):.0%} at 90% found."
    )
    return draw_chart(name, title, alt + _folds_said(folds, "average precision"), draw, note, size)


def probability_chart(
    having: Floats,
    lacking: Floats,
    labels: tuple[str, str],
    name: str,
    title: str,
    threshold: float | None = None,
    note: str = "",
    size: tuple[float, float] = (4.3, 3.3),
) -> Chart:
    """What probability images with and without a class were given, each as shares of their own number.

    Parameters
    ----------
    having, lacking : [n] and [m] probability of the class on images that have it and on others.
    labels : what to call the two.
    threshold : from which an image counts as positive; None draws no line.
    """

    def draw(axes: Axes, palette: Palette) -> None:
        bins = np.linspace(0, 1, 21)
        kinds = ((having, 1, palette.first, labels[0]), (lacking, -1, palette.second, labels[1]))
        for values, side, colour, label in kinds:
            heights = side * np.histogram(values, bins)[0] / max(1, len(values))
            axes.stairs(heights, bins, fill=True, color=colour, alpha=0.8, lw=0, label=series_name(label))
        axes.axhline(0, color=palette.muted, lw=1)
        if threshold is not None:
            axes.axvline(threshold, color=palette.ink, lw=1, ls="--")
        axes.set_xlim(0, 1)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.margins(y=0.2)
        finish(axes, palette, "probability given", "share of images")
        legend(axes, palette, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=1.1,
               columnspacing=1.2, borderaxespad=0.2)  # fmt: skip

    middle = [f"{np.median(values):.2f}" if len(values) else "unknown" for values in (having, lacking)]
    alt = (
        f"Probability of {title}: median {middle[0]} on {len(having)} images ({labels[0]}), upwards; "
        f"{middle[1]} on {len(lacking)} images ({labels[1]}), downwards."
    )
    return draw_chart(name, title, alt, draw, note, size)


def penalty_chart(history: Sequence[Mapping[str, Any]], key: str, title: str, note: str = "") -> Chart | None:
    """A measure against the penalty of a logistic regression, with the chosen penalty marked.

    Parameters
    ----------
    history : lines of ``history.jsonl``; those without a penalty are left out.
    key : the measure in ``train`` and ``val``.

    Returns
    -------
    The chart, or None where no line has the measure.
    """
    lines = sorted((line for line in history if (line.get("penalty") or 0) > 0), key=lambda line: line["penalty"])
    series = {split: [(x["penalty"], (x.get(split) or {}).get(key)) for x in lines] for split in ("val", "train")}
    series = {split: [pair for pair in pairs if pair[1] is not None] for split, pairs in series.items()}
    if not any(series.values()):
        return None
    chosen = next((line["penalty"] for line in lines if line.get("chosen")), None)

    def draw(axes: Axes, palette: Palette) -> None:
        for split, colour, style, label in (
            ("val", palette.first, "-", "validation"),
            ("train", palette.second, "--", "training"),
        ):
            if series[split]:
                axes.plot(*zip(*series[split], strict=True), style, color=colour, marker="o", ms=4, lw=2, label=label)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.margins(y=0.18)
        if chosen is not None:
            axes.axvline(chosen, color=palette.ink, lw=1, ls="--", label=f"chosen: {chosen:.3g}")
        finish(axes, palette, "penalty (log scale)", "Loss" if key == "loss" else metric_name(key))
        legend(axes, palette, loc="best")

    kept = f"; chosen {chosen:.3g}" if chosen is not None else ""
    ends = [f"{split_name(s)} {p[0][1]:.3f} to {p[-1][1]:.3f}" for s, p in series.items() if p]
    alt = f"{title} over {len(lines)} penalties from {lines[0]['penalty']:.3g} to {lines[-1]['penalty']:.3g}: "
    return draw_chart(f"penalty-{key}", title, f"{alt}{'; '.join(ends)}{kept}.", draw, note)


def runs_chart(curves: Mapping[str, Curve], title: str, name: str, note: str = "") -> Chart:
    """The ROC curves of several runs in one chart; runs beyond the sixth share the colours of the first."""

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot([0, 1], [0, 1], color=palette.muted, lw=1, ls=":")
        for number, (run, curve) in enumerate(curves.items()):
            colour, dash = palette.series[number % 6], DASHES[number % 6]
            label = f"{series_name(run, 24)}  {curve.area:.3f}"
            axes.plot(curve.x, curve.y, color=colour, ls=dash, lw=2, label=label, clip_on=False)
        _unit_square(axes, palette, "false alarms (1 − specificity)", "found (sensitivity)")
        legend(axes, palette, loc="lower right", fontsize=9, title="area")

    areas = "; ".join(f"{run} {curve.area:.3f}" for run, curve in curves.items())
    return draw_chart(name, title, f"{title}. Areas: {areas}.", draw, note, (4.2, 4.2))


def _lines(axes: Axes, palette: Palette, curve: Curve, folds: Sequence[Curve], *, steps: bool) -> None:
    style = "steps-pre" if steps else "default"
    if curve.low is not None and curve.high is not None:
        axes.fill_between(GRID, curve.low, curve.high, color=palette.first, alpha=0.2, lw=0)
    for fold in folds:
        axes.plot(*_whole(fold, steps), color=palette.muted, lw=0.9, alpha=0.7, drawstyle=style)
    axes.plot(*_whole(curve, steps), color=palette.first, lw=2.2, drawstyle=style)


def _whole(curve: Curve, steps: bool) -> tuple[Floats, Floats]:
    """The points to draw; precision at recall 0 is that of the first step."""
    if not steps:
        return curve.x, curve.y
    return np.append(0.0, curve.x), np.append(curve.y[0], curve.y)


def _unit_square(axes: Axes, palette: Palette, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
        axis.set_major_formatter(_PERCENT)
    finish(axes, palette, x, y)


def _corner(axes: Axes, palette: Palette, text: str, *, right: bool, height: float = 0.05) -> None:
    place, side = (0.97, "right") if right else (0.04, "left")
    axes.annotate(
        text, (place, height), xycoords="axes fraction", ha=side, va="bottom", color=palette.ink, fontweight="bold"
    )


def _height(curve: Curve, place: float) -> float:
    return float(np.interp(place, curve.x, curve.y))


def _step_height(curve: Curve, place: float) -> float:
    return float(curve.y[min(int(np.searchsorted(curve.x, place)), len(curve.y) - 1)])


def _folds_said(folds: Sequence[Curve], measure: str) -> str:
    if not folds:
        return ""
    areas = [fold.area for fold in folds]
    return f" Thin lines: {len(folds)} folds, {measure} from {min(areas):.3f} to {max(areas):.3f}."
