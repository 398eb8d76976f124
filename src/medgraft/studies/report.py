"""The report of a study: from its folder to a page, tables for programs, and a table for a paper."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.errors import RecipeError, RunError, listing
from medgraft.files import replacing, write_text
from medgraft.report.study_page import write_study_page
from medgraft.report.wording import metric_name
from medgraft.studies.answer import answers, cautions, correction
from medgraft.studies.blocks import reused_blocks
from medgraft.studies.contrasts import Contrast, contrasts
from medgraft.studies.convergence import Cost, chance_level, costs, speeds
from medgraft.studies.distance import DISTANCE, Ruled, read_distance
from medgraft.studies.folder import Study
from medgraft.studies.gain import Curve, Placed, Point, gain_by_distance, gain_curves
from medgraft.studies.naming import told_apart
from medgraft.studies.plain import finite, is_synthetic
from medgraft.studies.published import read_published
from medgraft.studies.scored import Scored, score_study
from medgraft.studies.table import Entry, Table, beside_published, plain_table, table_of_study

FOLDER = "report"
"""The folder in a study's that holds tables, figures and what the page was made from."""


def study_report(
    study: Study | str | Path, *, metric: str | None = None, others: Sequence[Study | str | Path] = ()
) -> Path:
    """Write ``report.html`` and ``report/`` (CSV, LaTeX, figures) into a study's folder, whatever is finished of it.

    Parameters
    ----------
    metric : the score to tell it by, as ``kappa`` or ``macro_recall``; None for that which the study was begun with,
        or else AUC, or Dice of masks.
    others : studies of other data, for the gain against the distance from pretraining; each needs
        ``distance.json`` in its folder, as a study writes it at its end.

    Returns
    -------
    The page's path.

    Raises
    ------
    RunError
        Where a folder is no study's, or a file of it cannot be read.
    RecipeError
        Where no cell has such a score.
    """
    own, *rest = (each if isinstance(each, Study) else Study(each) for each in (study, *others))
    scored = score_study(own, metric)
    found = contrasts(scored)
    table, curves, timed = table_of_study(scored, found), gain_curves(scored, found), speeds(own, scored)
    cost = costs(scored, timed)
    findings = _findings(own, scored, table, found, curves, cost)
    watched = timed[0].reached.metric if timed else scored.metric
    findings["watched"] = {"title": metric_name(watched), "chance": chance_level(watched)}
    placed = _by_distance(own, curves, rest, scored.metric)
    findings["cautions"] += placed.pop("cautions")
    findings |= placed
    folder = own.folder / FOLDER
    _write_csv(folder / "table.csv", plain_table(table))
    called = findings["models"]
    _write_csv(folder / "comparisons.csv", [_plain_contrast(each, called) for each in found])
    _write_csv(folder / "gain.csv", [row for curve in curves for row in _gain_rows(curve)])
    speed_rows = [
        {"cell": each.cell, **each.way._asdict(), "seed": each.seed, **each.reached._asdict()} for each in timed
    ]
    _write_csv(folder / "convergence.csv", speed_rows)
    plain = finite(findings)
    write_text(folder / "report.json", json.dumps(plain, indent=2, allow_nan=False) + "\n")
    return write_study_page(own.folder, plain)


def _findings(
    study: Study, scored: Scored, table: Table, found: Sequence[Contrast], curves: Sequence[Curve], cost: Sequence[Cost]
) -> dict[str, Any]:
    plan, cells = study.plan, scored.cells
    terms, publications = plan.terms, read_published()
    called = told_apart(way.encoder for way in scored.ways)
    papers = [
        {**asdict(each.published), "citation": publications.papers[each.published.paper].citation,
         "page": publications.papers[each.published.paper].page,
         "own": {"mean": each.mean, "sd": each.sd, "cells": each.cells, **each.way._asdict()}}
        for each in beside_published(scored, publications)
    ]  # fmt: skip
    failed = cells[cells["status"] == "failed"]
    return {
        "kind": "study", "study": study.name, "data": str(plan.data["name"]), "images": int(plan.data["images"]),
        "metric": scored.metric, "title": metric_name(scored.metric), "synthetic": is_synthetic(study, cells),
        "answers": answers(scored, table, curves), "cautions": cautions(scored, found, cost, terms.rates),
        "cells": len(cells), "finished": int((cells["status"] == "finished").sum()),
        "seeds": list(plan.grid.seeds), "folds": plan.grid.folds,
        "test": {"images": scored.images, "groups": scored.groups},
        "seconds": float(cells["seconds"].sum()),
        "models": called,
        "table": {
            "heads": table.heads, "columns": table.columns,
            "lines": [{"names": line.names, "entries": [each and _plain_entry(each) for each in line.entries]}
                      for line in table.lines],
        },
        "contrasts": [_plain_contrast(each, called) for each in found], "correction": correction(found),
        "gains": [{**_model(curve), "points": _gain_rows(curve)} for curve in curves],
        "costs": [_plain_cost(each) for each in cost],
        "failed": failed[["id", "error"]].to_dict("records"),
        "waiting": cells.loc[cells["status"] == "waiting", "id"].tolist(),
        "published": papers, "reuse": reused_blocks(study, scored),
        "terms": terms.sentence(), "budget": terms.budget,
        "recipe": {name: str(value) for name, value in plan.recipe.options().items() if value not in (None, [], {})},
    }  # fmt: skip


def _by_distance(own: Study, curves: Sequence[Curve], rest: Sequence[Study], metric: str) -> dict[str, Any]:
    """The distance of the study's images, and, where there are others, the gain of each against its distance."""
    if not rest:
        with suppress(RunError):  # it is a remark here
            return {"distance": _plain_ruled(read_distance(own.folder)), "distances": [], "cautions": []}
        return {"distance": None, "distances": [], "cautions": []}
    studies = _named((own, *rest))
    distances = {name: read_distance(each.folder) for name, each in studies.items()}
    known: dict[str, Sequence[Curve]] = {}
    for name, each in studies.items():
        if each is own:
            known[name] = curves
        else:
            scored = _beside(each, metric)
            known[name] = gain_curves(scored, contrasts(scored))
    placed = gain_by_distance(known, {name: each.value for name, each in distances.items() if each is not None})
    return {
        "distance": _plain_ruled(next(iter(distances.values()))),
        "distances": [_plain_placed(each) for each in placed],
        "cautions": list(_distance_cautions(distances)),
    }


def _beside(other: Study, metric: str) -> Scored:
    try:
        return score_study(other, metric)
    except RecipeError as error:
        raise RecipeError(f"--beside {other.folder}: it cannot be told by the score of this study; {error}") from None


def _named(studies: Sequence[Study]) -> dict[str, Study]:
    """By the data's name; where two have the same, with the study's behind it."""
    names = [str(each.plan.data["name"]) for each in studies]
    return {
        f"{name} ({each.name})" if names.count(name) > 1 else name: each
        for name, each in zip(names, studies, strict=True)
    }


def _distance_cautions(distances: Mapping[str, Ruled | None]) -> Iterator[str]:
    unknown = [name for name, each in distances.items() if each is None]
    if unknown:
        yield (
            f"How far the images of {listing(unknown)} are from the pretraining images is not known; --resume their "
            f"study, or write {DISTANCE} into its folder: medgraft distance DATA --json > {DISTANCE}"
        )
    rulers = dict.fromkeys(each.ruler for each in distances.values() if each is not None)
    if len(rulers) > 1:
        yield f"The distances were measured by different means, and cannot be compared: {listing(rulers)}."


def _plain_entry(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in vars(entry).items() if name != "way"} | entry.way._asdict()


def _plain_contrast(each: Contrast, called: Mapping[str, str]) -> dict[str, Any]:
    same = {name: value for name, value in each.better._asdict().items() if getattr(each.worse, name) == value}
    apart = [name for name in each.better._asdict() if name not in same]
    own = [[str(getattr(way, name)) for name in apart] for way in (each.better, each.worse)]
    words = [" ".join(called.get(name, name) for name in names) for names in own]
    found = each.found
    return {
        "encoder": same.get("encoder", ""), "strategy": same.get("strategy", ""), "init": same.get("init", ""),
        "n": each.better.n, "first": words[0], "second": words[1], "gain": found.value, "low": found.low,
        "high": found.high, "p": found.p, "p_corrected": each.corrected, "corrected_with": each.family.kind,
        "comparisons": each.comparisons, "told": each.told, "seeds": found.seeds, "of_seeds": each.of,
        "variance_of_seeds": found.by_seeds, "variance_of_images": found.by_images,
        "degrees_of_freedom": found.freedom,
    }  # fmt: skip


def _model(curve: Curve) -> dict[str, Any]:
    return {name: getattr(curve, name) for name in ("encoder", "strategy", "better", "worse")}


def _gain_rows(curve: Curve) -> list[dict[str, Any]]:
    return [_model(curve) | _plain_point(point) for point in curve.points]


def _plain_point(point: Point) -> dict[str, Any]:
    found = point.contrast.found
    return {
        "n": point.n, "images": point.images, "gain": found.value, "low": found.low, "high": found.high, "p": found.p,
        "p_corrected": point.contrast.corrected, "told": point.contrast.told, "seeds": found.seeds,
    }  # fmt: skip


def _plain_placed(each: Placed) -> dict[str, Any]:
    return {"data": each.data, "distance": each.distance, **_model(each.curve), **_plain_point(each.point)}


def _plain_ruled(each: Ruled | None) -> dict[str, Any] | None:
    return None if each is None else asdict(each)


def _plain_cost(each: Cost) -> dict[str, Any]:
    own = {name: value for name, value in vars(each).items() if name not in ("way", "rates")}
    rates = [{"rate": rate, "cells": many} for rate, many in each.rates.items()]
    return each.way._asdict() | own | {"rates": rates}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")
