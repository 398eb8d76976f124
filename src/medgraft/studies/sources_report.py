"""The report of a comparison of sources: from a study's folder to the ranking, a page, and tables for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.files import replacing, write_text
from medgraft.report.sources_page import write_sources_page
from medgraft.report.wording import metric_name
from medgraft.studies.answer import cautions
from medgraft.studies.contrasts import contrasts
from medgraft.studies.convergence import costs, speeds
from medgraft.studies.folder import Study
from medgraft.studies.foretold import FILE, SCORES, kept_foretold
from medgraft.studies.naming import told_apart
from medgraft.studies.plain import finite, is_synthetic
from medgraft.studies.scored import Scored, amount, score_study
from medgraft.studies.source_answer import answers, luck, source_cautions
from medgraft.studies.source_ranking import Foretold, Placed, foretold, ranking

FOLDER = "report"


def compares_sources(study: Study) -> bool:
    """Whether ``medgraft sources`` made the study."""
    return (study.folder / FILE).is_file()


def sources_report(study: Study, metric: str | None = None) -> Path:
    """Write ``report.html`` and ``report/`` (ranking.csv, foretold.csv, report.json, a figure) into the folder.

    Parameters
    ----------
    metric : the score to rank by; None for AUC, or Dice of masks.

    Raises
    ------
    RunError, RecipeError
        As :func:`~medgraft.studies.report.study_report`.
    """
    found = source_findings(study, metric)
    folder = study.folder / FOLDER
    rows = [{"n": part["n"], **row} for part in found["parts"] for row in part["rows"]]
    _write_csv(folder / "ranking.csv", rows)
    told = [
        {"n": part["n"], "score": each["score"], "source": name, "value": value, "rank": rank}
        for part in found["parts"]
        for each in part["foretold"]
        for rank, (name, value) in enumerate(each["values"].items(), start=1)
    ]
    _write_csv(folder / "foretold.csv", told)
    write_text(folder / "report.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
    return write_sources_page(study.folder, found)


def source_findings(study: Study, metric: str | None = None) -> dict[str, Any]:
    """All that the page says, as plain values; an undefined number is None."""
    scored = score_study(study, metric)
    entries, compared = kept_foretold(study.folder), contrasts(scored)
    sizes = sorted({way.n for way in scored.ways}, key=amount, reverse=True)
    placed = {n: ranking(scored, compared, n) for n in sizes}
    told = {n: foretold(scored, entries, placed[n]) for n in sizes}
    known = {str(entry["encoder"]): entry for entry in entries if "scores" in entry}
    names, cells, plan = told_apart(way.encoder for way in scored.ways), scored.cells, study.plan
    parameters = {encoder: int(entry["parameters"]) for encoder, entry in known.items()}
    cost = costs(scored, speeds(study, scored))
    failed = cells[cells["status"] == "failed"]
    lost = _lost(scored, names)
    general = cautions(scored, compared, cost, plan.terms.rates)
    done = cells[cells["status"] == "finished"]
    solved = bool(len(done)) and bool(done["lr"].isna().all()) and sizes == ["all"]
    plain: dict[str, Any] = finite({
        "kind": "sources", "study": study.name, "data": str(plan.data["name"]), "images": int(plan.data["images"]),
        "metric": scored.metric, "title": metric_name(scored.metric), "synthetic": is_synthetic(study, cells),
        "strategy": plan.grid.strategies[0], "size": plan.recipe.size, "task": str(plan.recipe.task),
        "answers": answers(placed, told, parameters, scored.metric),
        "cautions": source_cautions(placed, general, solved, lost),
        "cells": len(cells), "finished": len(done), "seeds": list(plan.grid.seeds), "folds": plan.grid.folds,
        "test": {"images": scored.images, "groups": scored.groups}, "seconds": float(cells["seconds"].sum()),
        "sources": len(names), "comparisons": sum(each.found.p == each.found.p for each in compared), "scores": SCORES,
        "parts": [
            {"n": n, "images": _learned_from(scored, n), "rows": [_row(each, known) for each in placed[n]],
             "foretold": [_plain_foretold(each, placed[n]) for each in told[n]]}
            for n in sizes
        ],
        "unscored": _unscored(entries, names),
        "failed": failed[["id", "error"]].to_dict("records"),
        "waiting": cells.loc[cells["status"] == "waiting", "id"].tolist(),
        "terms": plan.terms.sentence(), "budget": plan.terms.budget, "solved": bool(done["lr"].isna().all()),
        "recipe": {name: str(value) for name, value in plan.recipe.options().items() if value not in (None, [], {})},
    })  # fmt: skip
    return plain


def _learned_from(scored: Scored, n: str) -> int | None:
    """Training images of the cells of a number of images; None where none is finished."""
    images = scored.cells.loc[scored.cells["n"] == n, "images"].dropna()
    return int(images.median()) if len(images) else None


def _lost(scored: Scored, names: Mapping[str, str]) -> dict[str, str]:
    """Why sources failed none of whose cells is finished."""
    found = {}
    for encoder, cells in scored.cells.groupby("encoder", sort=False):
        if (cells["status"] == "failed").any() and not (cells["status"] == "finished").any():
            found[names[str(encoder)]] = str(cells.loc[cells["status"] == "failed", "error"].iloc[0])
    return found


def _row(each: Placed, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    score, behind, entry = each.score, each.behind, known.get(each.way.encoder, {})
    return {
        "source": each.way.encoder, "name": each.name, "value": score.value, "low": score.low, "high": score.high,
        "standing": each.standing,
        "behind": behind and -behind.value, "behind_low": behind and -behind.high,
        "behind_high": behind and -behind.low, "p": behind and behind.p, "p_corrected": each.corrected,
        "finished": each.finished, "of": each.of, "parameters": entry.get("parameters"),
        "milliseconds": entry.get("milliseconds"), "seconds": each.seconds, "weights": entry.get("weights", ""),
    }  # fmt: skip


def _plain_foretold(each: Foretold, placed: Sequence[Placed]) -> dict[str, Any]:
    found = each.agreement
    chosen = next(row for row in placed if row.name == each.choice)
    return {
        "score": each.score, "title": SCORES[each.score], "values": dict(each.values), "choice": each.choice,
        "choice_behind": 0.0 if chosen.behind is None else -chosen.behind.value, "choice_standing": chosen.standing,
        **asdict(found), "luck": luck(found) if found.tau == found.tau else "",
    }  # fmt: skip


def _unscored(entries: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    return {names.get(str(each["encoder"]), str(each["encoder"])): str(each["problem"]) for each in entries
            if "problem" in each}  # fmt: skip


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")
