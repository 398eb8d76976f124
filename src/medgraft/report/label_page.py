"""The report of a classification run or of a cross-validation: ``report.html``, and its pictures as PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.report.explanations import explanations
from medgraft.report.folder import RunFolder
from medgraft.report.headline import general_facts, score_facts, subtitle
from medgraft.report.label_charts import Panel, fold_learning_charts, learning_charts, ranking_panels
from medgraft.report.label_folds import fold_histories, fold_table, fold_verdict, is_cross_validation
from medgraft.report.label_pictures import confident_pictures
from medgraft.report.label_table import LabelTable, group_word, label_table
from medgraft.report.label_tables import class_balance, class_rows, confusion, overall_scores
from medgraft.report.label_wording import cautions, headline_metric, label_verdict, opening
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.tables import augmentation, data_table, environment_table, model_table, time_table, window_of
from medgraft.report.wording import metric_name
from medgraft.scores import Interval


def label_report(run: RunFolder) -> Path:
    """Write the report of a classification run, or of a cross-validation's folder, into it.

    Raises
    ------
    RunError
        Where the predictions do not fit the model's classes.
    """
    table = label_table(run, run.split)
    figures = run.path / "figures"
    threshold, note = float(run.model.get("threshold", 0.5)), "SYNTHETIC data" if run.synthetic else ""
    panels = ranking_panels(table, group_word(run), threshold, note)
    learning = _learning(run, note)
    for chart in [*(chart for panel in panels for chart in panel.charts), *learning.charts]:
        write_bytes(figures / f"{chart.name}.png", chart.png)
    kind = "Cross-validation" if is_cross_validation(run) else "Classification"
    return write_page(
        "label_run.html",
        run.path / "report.html",
        title=f"{kind} of {run.data.get('name') or run.path.name}",
        synthetic=run.synthetic,
        kind=table.classes.kind,
        panels=panels,
        learning=learning,
        cases=list(confident_pictures(table, figures, run.synthetic, window_of(run))),
        explained=explanations(run),
        confusion=confusion(table),
        classes=_classes(run, table),
        balance=class_balance(run, table.classes.names),
        folds=fold_table(run, table.classes.names),
        recipe=run.recipe,
        environment=environment_table(run),
        augmentation=augmentation(run),
        **_headline(run, table, threshold),
        **overall_scores(run, table.classes.names),
        **model_table(run),
        **time_table(run),
        **data_table(run),
    )


def _headline(run: RunFolder, table: LabelTable, threshold: float) -> dict[str, Any]:
    split = run.split or "test"
    scores: Mapping[str, Interval] = run.scores.get(split, {})
    who = group_word(run)
    start = opening(table, split, who)
    if is_cross_validation(run):
        of = f" of {table.group_count} {who}" if table.grouped else ""
        start = f"On {len(table)} images{of}, each tested by a model that did not learn from it"
    verdicts, where = label_verdict(table, scores, start, threshold), split
    if is_cross_validation(run):
        verdicts += fold_verdict(run, headline_metric(table))
        where = "pooled"
    return {
        "subtitle": subtitle(run),
        "verdicts": verdicts,
        "cautions": cautions(table, scores, split),
        "facts": [*score_facts(_main_scores(table, scores), where), *general_facts(run)],
        "split": run.split,
        "by": f"drawing whole {who}" if table.grouped else "drawing single images, as no groups are known",
        "threshold": threshold,
    }


def _main_scores(table: LabelTable, scores: Mapping[str, Interval]) -> list[tuple[str, Interval | None]]:
    """The scores of the tiles at the top, the headline's first."""
    if table.classes.kind == "binary":
        other, finding = table.classes.names
        named = {"AUC": "auc", "Sensitivity": f"recall_{finding}", "Specificity": f"recall_{other}"}
        return [(label, scores.get(metric)) for label, metric in named.items()]
    first = headline_metric(table)
    rest = [metric for metric in ("balanced_accuracy", "auc", "average_precision") if metric != first]
    return [(metric_name(metric), scores.get(metric)) for metric in (first, *rest)]


def _classes(run: RunFolder, table: LabelTable) -> dict[str, Any]:
    """Class by class in the split that the report speaks of, with the scores that any class has."""
    rows = class_rows(table, run.scores.get(run.split or "", {}))
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.scores))
    return {"rows": rows if len(table) else [], "metrics": metrics, "grouped": table.grouped}


def _learning(run: RunFolder, note: str) -> Panel:
    if is_cross_validation(run):
        charts = fold_learning_charts(fold_histories(run), note)
        return Panel("How it learned", "A thin line is a fold, the bold one their mean.", charts)
    lead = ""
    chosen = [line for line in run.history if line.get("chosen")]
    if chosen:
        value = chosen[-1].get("penalty", math.nan)
        lead = (
            "The head was solved as a logistic regression on what the fixed encoder returns, once for each penalty; "
            f"{value:.3g} was kept for its score on the validation images."
        )
    elif len(run.history) == 1:
        lead = "One epoch was trained, so each curve is a single point."
    return Panel("How it learned", lead, learning_charts(run.history, note))
