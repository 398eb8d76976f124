"""Which charts a classification report shows, and the words above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.report.drawing import Chart
from medgraft.report.figures import curves
from medgraft.report.fold_figures import folds_chart
from medgraft.report.label_curves import Curve, precision_recall, roc
from medgraft.report.label_figures import (
    SMALL,
    SQUARE,
    penalty_chart,
    precision_recall_chart,
    probability_chart,
    roc_chart,
)
from medgraft.report.label_table import LabelTable
from medgraft.report.wording import metric_name

# Of more classes than this, only the worst are drawn.
MOST = 6

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Panel:
    """Charts under one heading; ``small`` ones stand closer."""

    heading: str
    lead: str
    charts: list[Chart]
    small: bool = False


@dataclass(frozen=True)
class _Shown:
    """A class with its curves, of all images and of each fold."""

    index: int
    name: str
    roc: Curve
    precision: Curve
    roc_folds: list[Curve]
    precision_folds: list[Curve]


def ranking_panels(table: LabelTable, who: str, threshold: float, note: str) -> list[Panel]:
    """ROC curves, precision-recall curves and probabilities: of the positive class, or of each class.

    Parameters
    ----------
    who : what a group is called.
    threshold : from which an image counts as positive (not for classes of which one is chosen).
    note : words that every chart carries.
    """
    shown, left_out = _chosen(table)
    if not shown:
        return []
    thin = " Thin lines are the folds, the bold one pools them." if shown[0].roc_folds else ""
    lead = (
        f"The band is the 95% bootstrap interval by {who if table.grouped else 'images'}, of the curve's height at "
        f"each place of the horizontal axis.{thin}{left_out} {_GUESSING}"
    )
    small = len(shown) > 1
    line = None if table.classes.kind == "multiclass" else threshold
    first = [_roc_chart(item, small, note) for item in shown]
    second = [_precision_chart(table, item, small, note) for item in shown]
    third = [_probabilities(table, item, small, line, note) for item in shown]
    spread = Panel("The probabilities it gives", _SPREAD, third, small)
    if not small:
        return [Panel("How well it ranks", lead, [*first, *second]), spread]
    rest = "Each class against the rest."
    return [
        Panel("How well it ranks each class", f"{rest} {lead}", first, small),
        Panel(_PRECISION, f"{rest} Bands as above. {_GUESSING}", second, small),
        spread,
    ]


_ROC, _PRECISION = "Found against false alarms (ROC)", "Precision and recall"
_GUESSING = "The dotted line is guessing."
_SPREAD = (
    "Upwards, in blue, the images that have it; downwards, in orange, the others: each as a share of its own number. "
    "The further apart, the better; a dashed line is the threshold."
)


def learning_charts(history: History, note: str) -> list[Chart]:
    """The monitored score and the loss by epoch, and by penalty where a head was solved as a logistic regression."""
    monitor = monitored(history)
    epochs = [line for line in history if "penalty" not in line]
    keys = [(key, "Loss" if key == "loss" else metric_name(key)) for key in (monitor, "loss") if key]
    found = [penalty_chart(history, key, f"{name} by penalty", note) for key, name in keys]
    found += [curves(epochs, key, f"{name} while training", note) for key, name in keys]
    return [chart for chart in found if chart is not None]


def fold_learning_charts(histories: Sequence[History], note: str) -> list[Chart]:
    """The same on validation images, a thin line a fold and their mean."""
    monitor = monitored([line for history in histories for line in history])
    found = []
    for key in (monitor, "loss"):
        name = "Loss" if key == "loss" else metric_name(key)
        solved = [[(x["penalty"], x) for x in h if (x.get("penalty") or 0) > 0] for h in histories]
        epochs = [[(x["epoch"], x) for x in h if "penalty" not in x] for h in histories]
        for by, lines in (("penalty", solved), ("epoch", epochs)):
            series = [
                [(float(x), float(line["val"][key])) for x, line in sorted(pairs, key=lambda pair: pair[0])
                 if (line.get("val") or {}).get(key) is not None]
                for pairs in lines
            ]  # fmt: skip
            found.append(folds_chart(series, name, by, f"folds-{by}-{key or 'score'}", note) if key else None)
    return [chart for chart in found if chart is not None]


def monitored(history: History) -> str:
    """The score that training watched; empty where the history names none."""
    return next((str(line["monitor"]) for line in history if line.get("monitor")), "")


def _chosen(table: LabelTable) -> tuple[list[_Shown], str]:
    """The classes to draw, in class order, and a sentence on those left out."""
    indices = [1] if table.classes.kind == "binary" else list(range(table.classes.count))
    parts = [table.of(table.folds == fold) for fold in sorted(set(table.folds)) if fold]
    areas = {index: curve.area for index in indices if (curve := _roc(table, index))}
    kept = sorted(sorted(areas, key=lambda index: (areas[index], index))[:MOST])
    left_out = f" Of {len(areas)} classes the {MOST} with the lowest AUC are drawn." if len(areas) > MOST else ""
    shown = []
    for index in kept:
        full = _roc(table, index, band=True), _precision(table, index, band=True)
        folds = [c for p in parts if (c := _roc(p, index))], [c for p in parts if (c := _precision(p, index))]
        if full[0] and full[1]:
            shown.append(_Shown(index, table.classes.names[index], full[0], full[1], *folds))
    return shown, left_out


def _roc(table: LabelTable, index: int, band: bool = False) -> Curve | None:
    return roc(table.truth[:, index], table.probability[:, index], table.groups if band else None)


def _precision(table: LabelTable, index: int, band: bool = False) -> Curve | None:
    return precision_recall(table.truth[:, index], table.probability[:, index], table.groups if band else None)


def _roc_chart(shown: _Shown, small: bool, note: str) -> Chart:
    size = SMALL if small else SQUARE
    return roc_chart(shown.roc, f"roc-{shown.index}", shown.name if small else _ROC, shown.roc_folds, note, size)


def _precision_chart(table: LabelTable, shown: _Shown, small: bool, note: str) -> Chart:
    share, size = float(table.truth[:, shown.index].mean()), SMALL if small else SQUARE
    title = shown.name if small else _PRECISION
    name = f"precision-recall-{shown.index}"
    return precision_recall_chart(shown.precision, share, name, title, shown.precision_folds, note, size)


def _probabilities(table: LabelTable, shown: _Shown, small: bool, threshold: float | None, note: str) -> Chart:
    truth, probability = table.truth[:, shown.index], table.probability[:, shown.index]
    labels = (shown.name, table.classes.names[0]) if table.classes.kind == "binary" else ("has it", "others")
    return probability_chart(
        probability[truth],
        probability[~truth],
        labels,
        f"probability-{shown.index}",
        shown.name if small else f"Probability of {shown.name}",
        threshold,
        note,
        (2.9, 2.7) if small else (5.0, 3.6),
    )
