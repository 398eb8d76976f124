"""The page that sets classifiers side by side on the same images: which to take, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.errors import RunError, listing
from medgraft.evaluation import compare
from medgraft.report.choice import choose
from medgraft.report.drawing import Chart
from medgraft.report.figures import paired
from medgraft.report.folder import RunFolder
from medgraft.report.label_curves import Curve, macro_roc, roc
from medgraft.report.label_figures import runs_chart
from medgraft.report.label_pictures import thumbnail
from medgraft.report.label_table import LabelTable, common_images, label_table
from medgraft.report.label_tables import class_metrics
from medgraft.report.label_wording import headline_metric
from medgraft.report.pictures import Picture
from medgraft.report.rendering import write_bytes, write_page

# At most so many runs in one chart, points in a scatter, images shown, and runs named below an image.
RUNS, POINTS, SHOWN, NAMED = 6, 1000, 8, 4
SHOWN_METRICS = 3

Integers = npt.NDArray[np.int64]


def label_comparison(runs: Sequence[RunFolder], comparison: Mapping[str, Any], page: Path, synthetic: bool) -> Path:
    """Write the page that compares classifiers.

    Parameters
    ----------
    runs : in the order of ``comparison["names"]``.
    comparison : as :func:`~medgraft.report.comparison.compare_report` takes it; and where known ``delong``, rows with
        ``name``, ``against``, ``metric`` (``auc`` or ``auc_<class>``), ``difference``, ``se`` and ``p``.
    page : the file to write.
    synthetic : whether the images were generated.

    Raises
    ------
    RunError
        Where the classes of the runs differ.
    """
    names = [str(name) for name in comparison["names"]]
    tables = _tables(runs, names)
    metric = headline_metric(tables[0])
    rows = {
        name: run.predictions[run.predictions["id"].isin(tables[0].ids)] for name, run in zip(names, runs, strict=True)
    }
    choice = choose(comparison["runs"], metric, comparison["n"], lambda a, b: _gap(comparison, rows, a, b, metric))
    charts = list(_charts(tables, names, "SYNTHETIC data" if synthetic else ""))
    for chart in charts:
        write_bytes(page.parent / "figures" / f"{chart.name}.png", chart.png)
    return write_page(
        "label_comparison.html",
        page,
        title=f"{names[-1]} against {names[0]}" if len(names) == 2 else f"{len(names)} runs compared",
        synthetic=synthetic,
        verdicts=choice.sentences,
        chosen=choice.name,
        **_rows(comparison, metric, tables[0].classes.names),
        delong=comparison.get("delong") or [],
        notes=comparison.get("notes") or [],
        charts=charts,
        curves_lead=_lead(tables, names),
        cases=list(_disagreements(tables, names, page.parent / "figures", synthetic)),
    )


_COUNTED = (
    "On how many images a run is better or worse is counted by the probability given to the truth (AUC, average "
    "precision, Brier score), else by whether the answer is right. A lower Brier score is better."
)


def _rows(comparison: Mapping[str, Any], decides: str, names: Sequence[str]) -> dict[str, Any]:
    """What the tables of runs and of differences show."""
    metrics = _metrics(comparison["runs"], decides, names)
    return {
        "runs": comparison["runs"],
        "n": comparison["n"],
        "runs_lead": f"Scores on the same {comparison['n']} images; in brackets the 95% bootstrap interval.",
        "metrics": metrics,
        "shown": SHOWN_METRICS,
        "differences_title": "Differences on the same images",
        "counted_by": _COUNTED,
        "differences": _ordered(comparison["differences"], metrics[:SHOWN_METRICS]),
        "more_differences": _ordered(comparison["differences"], metrics[SHOWN_METRICS:]),
    }


def _tables(runs: Sequence[RunFolder], names: Sequence[str]) -> list[LabelTable]:
    """The predictions of the images that all runs hold, in one order."""
    # Classifiers are compared on test images alone, whatever was scored besides.
    tables = [label_table(run, "test") for run in runs]
    for name, table in zip(names[1:], tables[1:], strict=True):
        if table.classes != tables[0].classes:
            raise RunError(
                f"{names[0]} and {name} have other classes ({listing(tables[0].classes.names)}; "
                f"{listing(table.classes.names)}) and cannot be compared; train them on the same labels."
            )
    return common_images(tables)


def _metrics(runs: Sequence[Mapping[str, Any]], first: str, names: Sequence[str]) -> list[str]:
    """The metrics of the table: the one that decides and those that say most first, those of single classes last."""
    found = list(dict.fromkeys(metric for run in runs for metric in run["scores"]))
    telling, single = (first, "auc", "balanced_accuracy", "average_precision"), set(class_metrics(names))
    return sorted(found, key=lambda m: (telling.index(m) if m in telling else len(telling), m in single))


def _ordered(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[Mapping[str, Any]]:
    """The differences in those metrics, metric by metric."""
    return [row for metric in metrics for row in rows if row["metric"] == metric]


def _gap(
    comparison: Mapping[str, Any], rows: Mapping[str, pd.DataFrame], one: str, other: str, metric: str
) -> Mapping[str, Any] | None:
    """The paired difference of two runs, as it was computed or turned round, else computed now."""
    for row in comparison["differences"]:
        if row["metric"] == metric and (row["name"], row["against"]) == (one, other):
            return dict(row)
        if row["metric"] == metric and (row["name"], row["against"]) == (other, one):
            return {"value": _less(row["value"]), "low": _less(row["high"]), "high": _less(row["low"])}
    found = compare({other: rows[other], one: rows[one]}).differences[one].get(metric)
    return None if found is None else {key: getattr(found.interval, key) for key in ("value", "low", "high")}


def _less(value: float | None) -> float | None:
    return None if value is None else -value


def _curve(table: LabelTable) -> Curve | None:
    """The ROC curve of the positive class, or the mean of all classes' curves."""
    indices = [1] if table.classes.kind == "binary" else range(table.classes.count)
    found = [curve for k in indices if (curve := roc(table.truth[:, k], table.probability[:, k]))]
    if not found:
        return None
    return found[0] if len(indices) == 1 else macro_roc(found)


def _charts(tables: Sequence[LabelTable], names: Sequence[str], note: str) -> Iterator[Chart]:
    curves = {name: curve for name, table in zip(names, tables, strict=True) if (curve := _curve(table))}
    if curves:
        best = sorted(curves, key=lambda name: -curves[name].area)[:RUNS]
        of = f"of {tables[0].classes.names[1]}" if tables[0].classes.kind == "binary" else "averaged over classes"
        drawn = {name: curve for name, curve in curves.items() if name in best}
        yield runs_chart(drawn, f"ROC curves, {of}", "comparison-roc", note)
    rows = _sample(len(tables[0]))
    for number in range(1, len(tables) if len(rows) else 0):
        first, other = (table.given_to_truth[rows] for table in (tables[0], tables[number]))
        yield paired(
            first, other, names[0], names[number], f"comparison-paired-{number}", note, "probability of the truth"
        )


def _sample(n: int) -> Integers:
    """Which images a scatter shows: all, or as many as a page can hold, drawn once for all runs."""
    return np.sort(np.random.default_rng(0).permutation(n)[:POINTS])


def _lead(tables: Sequence[LabelTable], names: Sequence[str]) -> str:
    """What the charts show and what they leave out."""
    parts = []
    if len(names) > RUNS:
        parts.append(f"Of {len(names)} runs the {RUNS} with the largest area are drawn.")
    if any(fold for table in tables for fold in table.folds):
        parts.append("Curves pool all folds, so an area here may differ from the AUC in the table.")
    parts.append(
        "In the scatter a point is an image: above the line (round, blue) the run named on the upright axis gives the "
        "truth a higher probability, below it (triangle, orange) a lower one."
    )
    if len(tables[0]) > POINTS:
        parts.append(f"{POINTS} of {len(tables[0])} images are drawn, taken at random.")
    return " ".join(parts)


def _disagreements(
    tables: Sequence[LabelTable], names: Sequence[str], figures: Path, synthetic: bool
) -> Iterator[Picture]:
    """The images on which the probabilities given to the truth are furthest apart, furthest first."""
    given = np.stack([table.given_to_truth for table in tables])
    spread = np.ptp(given, axis=0)
    order = sorted(np.flatnonzero(spread > 0), key=lambda row: (-spread[row], tables[0].ids[row]))
    for place, row in enumerate(order[:SHOWN], start=1):
        said = [
            f"{name}: {table.names(table.decided[row])}, {given[number, row]:.2f}"
            for number, (name, table) in enumerate(zip(names, tables, strict=True))
        ]
        if len(said) > NAMED:
            said = [said[int(given[:, row].argmax())], said[int(given[:, row].argmin())]]
        caption = "\n".join([f"true: {tables[0].names(tables[0].truth[row])}", *said, tables[0].ids[row]])
        yield thumbnail(tables[0], int(row), caption, figures / f"comparison-disagree-{place}.png", synthetic)
