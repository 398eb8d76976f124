"""The page of a study: whether transfer helped, by how much and how sure, then the evidence; reads findings alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.files import write_text
from medgraft.report.drawing import Chart
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.study_figures import distance_chart, epochs_chart, gain_chart
from medgraft.report.study_latex import latex_table
from medgraft.report.wording import metric_meaning, signed

INITS = {
    "WT": "pretrained weights",
    "ST": "random, with the mean and spread of each pretrained tensor",
    "RI": "random",
    "mean_var": "random, with mean and variance as Raghu et al. drew them",
}
_TOLD = {
    "told": "told from noise",
    "alone": "only if it were the one comparison",
    "not": "not told from noise",
    "unknown": "cannot be said",
}


def write_study_page(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write ``report.html``, ``report/table.tex`` and ``report/figures/*.png`` into a study's folder.

    Parameters
    ----------
    found : the findings, as ``report/report.json`` holds them; an undefined number is None.
    """
    note = "SYNTHETIC data" if found["synthetic"] else ""
    gains, epochs = _gain_charts(found, note), _epoch_charts(found, note)
    distance = distance_chart(found["distances"], found["title"], note)
    for chart in (*gains, *epochs, *([distance] if distance else [])):
        write_bytes(folder / "report" / "figures" / f"{chart.name}.png", chart.png)
    tex = latex_table(found)
    write_text(folder / "report" / "table.tex", tex)
    return write_page(
        "study.html",
        folder / "report.html",
        found=found,
        synthetic=found["synthetic"],
        meaning=metric_meaning(found["metric"]),
        facts=_facts(found),
        gains=gains,
        epochs=epochs,
        distance=distance,
        inits=[(init, INITS[init]) for init in dict.fromkeys(row["init"] for row in found["costs"]) if init in INITS],
        strategies=len({row["strategy"] for row in found["costs"]}) > 1,
        told=_TOLD,
        tex=tex,
    )


def _models(rows: Any) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["encoder"], row["strategy"]) for row in rows))


def _gain_charts(found: Mapping[str, Any], note: str) -> list[Chart]:
    charts = [
        gain_chart(
            [gain for gain in found["gains"] if (gain["encoder"], gain["strategy"]) == model],
            found["title"], f"gain-{number}", f"{found['models'][model[0]]}, {model[1]}", note,
        )
        for number, model in enumerate(_models(found["gains"]), start=1)
    ]  # fmt: skip
    return [chart for chart in charts if chart is not None]


def _epoch_charts(found: Mapping[str, Any], note: str) -> list[Chart]:
    charts = [
        epochs_chart(
            [row for row in found["costs"] if (row["encoder"], row["strategy"]) == model],
            f"epochs-{number}", f"{found['models'][model[0]]}, {model[1]}", note,
        )
        for number, model in enumerate(_models(found["costs"]), start=1)
    ]  # fmt: skip
    return [chart for chart in charts if chart is not None]


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The tiles: the gain at the fewest and the most images of the first model, cells, test images."""
    tiles = []
    first = found["gains"][0] if found["gains"] else None
    if first is not None:
        points = first["points"]
        for point in dict.fromkeys((0, len(points) - 1)):
            row = points[point]
            where = "all images" if row["n"] == "all" else f"{row['n']} images"
            ends = "no interval" if row["low"] is None else f"{signed(row['low'])} to {signed(row['high'])}"
            tiles.append((f"{first['better']} − {first['worse']}, {where}", signed(row["gain"]), ends))
    seeds, folds = len(found["seeds"]), found["folds"]
    over = f"{seeds} seed{'s' if seeds != 1 else ''}" + (f", {folds} folds" if folds else "")
    groups = found["test"]["groups"]
    whole = f"in {groups} groups" if groups < found["test"]["images"] else "each on its own"
    return [
        *tiles,
        ("Cells finished", f"{found['finished']} of {found['cells']}", over),
        ("Test images", str(found["test"]["images"]), whole),
    ]
