"""Charts of how sure a model may be: reliability diagrams, and what is gained by leaving the unsure to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from medgraft.report.drawing import Chart, Palette, draw_chart, finish
from medgraft.report.label_figures import SQUARE

_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.0f}%")
_LARGEST = 90.0
"""Area of the dot of the fullest bin, in points squared."""


def reliability_chart(
    reliability: Mapping[str, Any], error: float | None, name: str, title: str, note: str = ""
) -> Chart | None:
    """How often what was said with some probability came true; on the diagonal they are the same.

    Parameters
    ----------
    reliability : ``of`` and ``bins``, as :class:`~medgraft.evaluation.reliability.Reliability` has them. The area of a
        dot is the number in the bin, its line the 95% interval of the share.
    error : the expected calibration error, written into the chart.
    name, title : of the chart's file, and above it.

    Returns
    -------
    The chart, or None where every bin is empty.
    """
    bins = [each for each in reliability["bins"] if each["confidence"] is not None and each["observed"]["n"]]
    if not bins:
        return None
    x = np.array([each["confidence"] for each in bins])
    y, low, high = (np.array([each["observed"][end] for each in bins]) for end in ("value", "low", "high"))
    counts = np.array([each["observed"]["n"] for each in bins], float)

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot([0, 1], [0, 1], color=palette.muted, lw=1, ls=":")
        axes.vlines(x, low, high, color=palette.first, lw=1.4, alpha=0.6)
        sizes = np.maximum(10, _LARGEST * counts / counts.max())
        axes.scatter(x, y, s=sizes, color=palette.first, lw=0, zorder=3, clip_on=False)
        if error is not None:
            axes.annotate(
                f"error {error:.3f}", (0.97, 0.05), xycoords="axes fraction", ha="right", va="bottom",
                color=palette.ink, fontweight="bold",
            )  # fmt: skip
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
            axis.set_major_formatter(_PERCENT)
        finish(axes, palette, str(reliability["of"]), "came true")

    worst = int(np.argmax(np.abs(x - y) * counts))
    alt = (
        f"Reliability diagram, {title}: {len(bins)} bins of {int(counts.sum())} in all; where {x[worst]:.0%} was said, "
        f"{y[worst]:.0%} came true ({int(counts[worst])} there)."
    )
    return draw_chart(name, title, alt, draw, note, SQUARE)


def risk_chart(
    share: Sequence[float],
    risk: Sequence[float],
    low: Sequence[float | None],
    high: Sequence[float | None],
    what: str,
    name: str,
    title: str,
    note: str = "",
) -> Chart:
    """What is left of the errors where the least sure share of the images goes to a person.

    Parameters
    ----------
    share : [n] of images that go to a person, rising from 0.
    risk, low, high : [n] error among the images that the model keeps, and its interval.
    what : the error's name, on the upright axis.
    """
    x, y = 100 * np.asarray(share, float), np.asarray(risk, float)
    band = np.array([[np.nan if end is None else end for end in ends] for ends in (low, high)], float)

    def draw(axes: Axes, palette: Palette) -> None:
        axes.fill_between(x, band[0], band[1], color=palette.first, alpha=0.2, lw=0)
        axes.axhline(y[0], color=palette.muted, lw=1, ls=":")
        axes.plot(x, y, color=palette.first, lw=2)
        axes.set_xlim(0, float(x.max()))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}%"))
        finish(axes, palette, "least sure images that go to a person", what)

    tenth = int(np.argmin(np.abs(x - 10)))
    alt = f"{title}: {what} {y[0]:.3f} with all images, {y[tenth]:.3f} where the least sure 10% go to a person."
    return draw_chart(name, title, alt, draw, note, (5.0, 3.6))


def agreement_chart(found: Mapping[str, Any], name: str, title: str, note: str = "") -> Chart:
    """Bland and Altman's plot: the difference of two sizes of each case over their mean, with bias and limits.

    Parameters
    ----------
    found : as :class:`~medgraft.evaluation.agreement.Agreement` is, in plain types.
    """
    true, predicted = (np.asarray(found[key], float) for key in ("true", "predicted"))
    means, differences = (true + predicted) / 2, predicted - true
    unit = f", {found['unit']}" if found["unit"] else ""

    def draw(axes: Axes, palette: Palette) -> None:
        axes.scatter(means, differences, s=20, color=palette.first, alpha=0.7, lw=0)
        axes.axhline(0, color=palette.muted, lw=1, ls=":")
        for key, dash in (("bias", "-"), ("lower", "--"), ("upper", "--")):
            line = found[key]
            if line["value"] is None:
                continue
            axes.axhline(line["value"], color=palette.second, lw=1.6, ls=dash)
            if line["low"] is not None and line["high"] is not None:
                axes.axhspan(line["low"], line["high"], color=palette.second, alpha=0.14, lw=0)
        axes.ticklabel_format(style="plain", axis="both")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        finish(axes, palette, f"mean of both{unit}", f"predicted less true{unit}")

    bias, lower, upper = (found[key]["value"] for key in ("bias", "lower", "upper"))
    limits = "" if lower is None or upper is None else f"; limits of agreement {lower:.4g} to {upper:.4g}"
    alt = f"{title}: differences of {len(true)} cases over their mean{unit}: bias {bias:.4g}{limits}."
    return draw_chart(name, title, alt, draw, note, (5.0, 3.6))
