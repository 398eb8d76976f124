"""The report of an evaluation: ``report.html``, a single file, and its charts as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.report.calibration_figures import agreement_chart, reliability_chart, risk_chart
from medgraft.report.drawing import Chart
from medgraft.report.evaluation_folder import EvaluationFolder, read_evaluation
from medgraft.report.evaluation_pictures import mask_pictures
from medgraft.report.evaluation_wording import (
    calibration_sentence,
    distance_sentences,
    facts,
    headline,
    risk_sentence,
    shown_of_subgroups,
    subtitle,
    title,
)
from medgraft.report.figures import histogram
from medgraft.report.headline import scored_splits
from medgraft.report.label_charts import Panel, ranking_panels
from medgraft.report.label_pictures import confident_pictures
from medgraft.report.label_table import group_word, label_table
from medgraft.report.label_tables import class_rows, confusion, overall_scores
from medgraft.report.page import classes_of, legend
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.structure_figures import structures_chart
from medgraft.report.tables import window_of
from medgraft.report.wording import of_one_class, split_name


def evaluation_report(folder: Path, places: pd.DataFrame | None = None, masks: Path | None = None) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into the folder of an evaluation.

    Parameters
    ----------
    places : where the images lie, where the evaluation does not keep it (see :meth:`RunFolder.with_files`).
    masks : where predicted masks lie (below ``predictions/``), if not in the folder.

    Returns
    -------
    The path of ``report.html``.

    Raises
    ------
    RunError
        Where the folder holds no evaluation.
    """
    found = read_evaluation(folder, masks)
    if places is not None:
        found = replace(found, run=found.run.with_files(places))
    parts = _labels(found) if found.run.task == "classification" else _masks(found)
    calibration, risk = _calibration(found), _risk(found)
    for chart in [*_charts_of(parts), *calibration["charts"], *risk["charts"]]:
        write_bytes(folder / "figures" / f"{chart.name}.png", chart.png)
    findings = found.findings
    return write_page(
        "evaluation.html",
        folder / "report.html",
        title=title(found),
        subtitle=subtitle(found),
        verdicts=headline(found),
        cautions=findings["cautions"],
        facts=facts(found),
        synthetic=found.run.synthetic,
        split=found.split,
        own=found.own,
        by=_drawn_by(found),
        calibration=calibration,
        points=_points(findings),
        subgroups=[_subgroup(found, block) for block in findings["subgroups"]],
        risk=risk,
        distance=distance_sentences(findings.get("distance")),
        blocks=list(((findings.get("distance") or {}).get("by_block") or {}).items()),
        notes=findings["data"]["notes"],
        **parts,
    )


def _labels(found: EvaluationFolder) -> dict[str, Any]:
    """What only labels have: class by class, ROC, what is taken for what, the surest images."""
    run, note = found.run, _note(found)
    table = label_table(run, found.split)
    rows = class_rows(table, run.scores.get(found.split, {}))
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.scores))
    figures = found.path / "figures"
    return {
        **overall_scores(run, table.classes.names),
        "splits": _splits(found),
        "class_metrics": [],
        "classes": {"rows": rows, "metrics": metrics, "grouped": table.grouped},
        "confusion": confusion(table),
        "panels": ranking_panels(table, group_word(run), float(run.model["threshold"]), note),
        "cases": list(confident_pictures(table, figures, run.synthetic, window_of(run))),
        "legend": [],
        "structures": {"rows": [], "charts": []},
        "sizes": {"rows": [], "charts": []},
    }


def _masks(found: EvaluationFolder) -> dict[str, Any]:
    """What only masks have: how Dice spreads, structures found and missed, sizes, pictures."""
    run, note, findings = found.run, _note(found), found.findings
    dice = [float(value) for value in run.rows(found.split)["dice"].dropna()]
    spread = histogram(dice, run.score(found.split, "dice"), split_name(found.split), note)
    panels = [Panel("How the scores spread", "", [spread])] if spread is not None else []
    structures, sizes = findings.get("structures") or [], findings.get("agreement") or []
    splits = _splits(found)
    metrics = list(dict.fromkeys(metric for split in splits for metric in run.scores[split]))
    return {
        "splits": splits,
        "metrics": [metric for metric in metrics if not of_one_class(metric)],
        "class_metrics": [metric for metric in metrics if of_one_class(metric)],
        "scores": run.scores,
        "classes": {"rows": [], "metrics": [], "grouped": False},
        "confusion": None,
        "panels": panels,
        "cases": mask_pictures(found),
        "legend": legend(classes_of(run)),
        "structures": {"rows": structures, "charts": list(_structure_charts(found, structures, note))},
        "sizes": {
            "rows": sizes,
            "charts": [
                agreement_chart(each, f"agreement-{number}", f"Size{_of(each['class'])}", note)
                for number, each in enumerate(sizes, start=1)
            ],
        },
    }


def _structure_charts(found: EvaluationFolder, structures: Sequence[Mapping[str, Any]], note: str) -> Iterator[Chart]:
    """A chart a class; of several, none of all together."""
    rows = found.run.rows(found.split)
    for number, each in enumerate(structures[1:] or structures, start=1):
        title = f"Structures{_of(each['class'])}"
        chart = structures_chart(rows, each["class"], f"structures-{number}", title, note)
        if chart is not None:
            yield chart


def _calibration(found: EvaluationFolder) -> dict[str, Any]:
    """Reliability diagrams before and after, of the split that is spoken of, and a table of the scores of all."""
    charts: list[Chart | None] = []
    parts = found.findings["calibration"]
    for part in parts:
        if part["split"] != found.split:
            continue
        changed = part["temperature"] != 1
        whens = (("before", "Before"), ("after", "After temperature scaling")) if changed else (("after", "As it is"),)
        for when, words in whens:
            state = part[when]
            error = (state["scores"].get("ece") or {}).get("value")
            charts.append(reliability_chart(state["reliability"], error, f"reliability-{when}", words, _note(found)))
    rows = [
        {"split": part["split"], "metric": metric, "before": part["before"]["scores"].get(metric), "after": score}
        for part in parts
        for metric, score in part["after"]["scores"].items()
        if metric in ("ece", "classwise_ece", "brier", "nll")
    ]
    return {
        "charts": [chart for chart in charts if chart is not None],
        "rows": rows,
        "changed": any(part["temperature"] != 1 for part in parts),
        "sentence": calibration_sentence(found),
        "notes": [note for part in parts if part["split"] == found.split for note in part["notes"]],
    }


def _risk(found: EvaluationFolder) -> dict[str, Any]:
    """The curve by the model's own uncertainty and, where several answered, the one by how much they disagree."""
    curve, other = (found.findings.get(key) for key in ("risk_coverage", "risk_by_disagreement"))
    charts = [
        risk_chart(each["referred"], each["risk"], each["low"], each["high"], each["what"], name, title, _note(found))
        for each, name, title in (
            (curve, "risk-coverage", "What is left of the errors"),
            (other, "risk-by-disagreement", "What is left, by how much the models disagree"),
        )
        if each
    ]
    return {"charts": charts, "sentence": risk_sentence(curve) if curve else "", "rows": curve["rows"] if curve else []}


def _points(findings: Mapping[str, Any]) -> dict[str, Any]:
    rows = findings["operating_points"]
    return {"rows": rows, "metrics": list(dict.fromkeys(metric for row in rows for metric in row["scores"]))}


def _subgroup(found: EvaluationFolder, block: Mapping[str, Any]) -> dict[str, Any]:
    shown = shown_of_subgroups(found.run.model["classes"], found.run.task)
    known = [metric for metric in shown if any(metric in each["scores"] for each in block["subgroups"])]
    return dict(block) | {"metrics": known, "gap": known[0] if known else ""}


def _charts_of(parts: Mapping[str, Any]) -> Iterator[Chart]:
    for panel in parts["panels"]:
        yield from panel.charts
    yield from (*parts["structures"]["charts"], *parts["sizes"]["charts"])


def _splits(found: EvaluationFolder) -> list[str]:
    """The split that is spoken of first, then the others."""
    return sorted(scored_splits(found.run), key=lambda split: split != found.split)


def _note(found: EvaluationFolder) -> str:
    return "SYNTHETIC data" if found.run.synthetic else ""


def _of(name: str) -> str:
    return f" of {name}" if name else ""


def _drawn_by(found: EvaluationFolder) -> str:
    rows = found.run.predictions
    known = "group" in rows and rows["group"].astype(str).str.strip().any()
    return f"drawing whole {group_word(found.run)}" if known else "drawing single images, as no groups are known"
