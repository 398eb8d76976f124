"""The report of a study: from its folder to a page, tables for programs, and a table for a paper."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.errors import RunError, listing
from medgraft.files import replacing, write_text
from medgraft.report.study_page import write_study_page
from medgraft.report.wording import metric_name
from medgraft.studies.answer import answers, cautions
from medgraft.studies.contrasts import Contrast, contrasts
from medgraft.studies.convergence import Cost, costs, speeds
from medgraft.studies.folder import Study
from medgraft.studies.gain import Curve, Placed, Point, gain_by_distance, gain_curves
from medgraft.studies.published import read_published
from medgraft.studies.scored import Scored, score_study
from medgraft.studies.table import Entry, Table, beside_published, plain_table, shown, table_of_study

FOLDER = "report"
"""The folder in a study's that holds tables, figures and what the page was made from."""
DISTANCE = "distance.json"
"""In a study's folder, what ``medgraft distance DATA --json`` printed of its data."""


def study_report(
    study: Study | str | Path, *, metric: str | None = None, others: Sequence[Study | str | Path] = ()
) -> Path:
    """Write ``report.html`` and ``report/`` (CSV, LaTeX, figures) into a study's folder, whatever is finished of it.

    Parameters
    ----------
    metric : the score to tell it by, as ``kappa`` or ``macro_recall``; None for AUC, or Dice of masks.
    others : studies of other data, for the gain against the distance from pretraining; each needs
        ``distance.json`` in its folder, as ``medgraft distance DATA --json`` prints it.

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
    distances = {str(each.plan.data["name"]): read_distance(each.folder) for each in (own, *rest)} if rest else {}
    findings["distances"] = [_plain_placed(each) for each in _placed(own, curves, rest, scored.metric, distances)]
    unknown = [name for name, value in distances.items() if value is None]
    if unknown:
        findings["cautions"].append(
            f"How far the images of {listing(unknown)} are from the pretraining images is not known; in the study's "
            f"folder: medgraft distance DATA --json > {DISTANCE}"
        )
    folder = own.folder / FOLDER
    _write_csv(folder / "table.csv", plain_table(table))
    _write_csv(folder / "comparisons.csv", [_plain_contrast(each) for each in found])
    _write_csv(folder / "gain.csv", [row for curve in curves for row in _gain_rows(curve)])
    speed_rows = [each.way._asdict() | {k: v for k, v in vars(each).items() if k != "way"} for each in timed]
    _write_csv(folder / "convergence.csv", speed_rows)
    plain = _finite(findings)
    write_text(folder / "report.json", json.dumps(plain, indent=2, allow_nan=False) + "\n")
    return write_study_page(own.folder, plain)


def _findings(
    study: Study, scored: Scored, table: Table, found: Sequence[Contrast], curves: Sequence[Curve], cost: Sequence[Cost]
) -> dict[str, Any]:
    plan, cells = study.plan, scored.cells
    terms, publications = plan.terms, read_published()
    papers = [
        {**asdict(each.published), "citation": publications.papers[each.published.paper].citation,
         "page": publications.papers[each.published.paper].page,
         "own": {"mean": each.mean, "sd": each.sd, "cells": each.cells, **each.way._asdict()}}
        for each in beside_published(scored, publications)
    ]  # fmt: skip
    failed = cells[cells["status"] == "failed"]
    return {
        "kind": "study", "study": study.name, "data": str(plan.data["name"]), "images": int(plan.data["images"]),
        "metric": scored.metric, "title": metric_name(scored.metric), "synthetic": _synthetic(study, cells),
        "answers": answers(scored, table, curves), "cautions": cautions(scored, found, cost, terms.rates),
        "cells": len(cells), "finished": int((cells["status"] == "finished").sum()),
        "seeds": list(plan.grid.seeds), "folds": plan.grid.folds,
        "test": {"images": scored.images, "groups": scored.groups},
        "seconds": float(cells["seconds"].sum()),
        "models": {way.encoder: shown(way.encoder) for way in scored.ways},
        "table": {
            "heads": table.heads, "columns": table.columns,
            "lines": [{"names": line.names, "entries": [each and _plain_entry(each) for each in line.entries]}
                      for line in table.lines],
        },
        "contrasts": [_plain_contrast(each) for each in found],
        "gains": [{**_model(curve), "points": _gain_rows(curve)} for curve in curves],
        "costs": [_plain_cost(each) for each in cost],
        "failed": failed[["id", "error"]].to_dict("records"),
        "waiting": cells.loc[cells["status"] == "waiting", "id"].tolist(),
        "published": papers,
        "terms": terms.sentence(), "budget": terms.budget,
        "recipe": {name: str(value) for name, value in plan.recipe.options().items() if value not in (None, [], {})},
    }  # fmt: skip


def _synthetic(study: Study, cells: pd.DataFrame) -> bool:
    """Whether the images were generated, as the first finished cell knows of its data."""
    for name in cells.loc[cells["status"] == "finished", "id"]:
        try:
            return bool(study.run(str(name)).environment.get("data", {}).get("synthetic", False))
        except RunError:
            continue
    return False


def _placed(
    study: Study,
    curves: Sequence[Curve],
    others: Sequence[Study],
    metric: str,
    distances: Mapping[str, float | None],
) -> list[Placed]:
    """The gain of each study whose distance is known; none where there are no others."""
    found: dict[str, Sequence[Curve]] = {str(study.plan.data["name"]): curves}
    for other in others:
        scored = score_study(other, metric)
        found[str(other.plan.data["name"])] = gain_curves(scored, contrasts(scored))
    return gain_by_distance(found, {name: value for name, value in distances.items() if value is not None})


def read_distance(folder: Path) -> float | None:
    """The distance from the pretraining images in ``distance.json``; None where there is no such file.

    Raises
    ------
    RunError
        Where the file is not what ``medgraft distance DATA --json`` prints.
    """
    path = folder / DISTANCE
    if not path.is_file():
        return None
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["layers"]["value"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read as a distance from pretraining images ({type(error).__name__}); write it again: "
            f"medgraft distance DATA --json > {path}"
        ) from None


def _plain_entry(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in vars(entry).items() if name != "way"} | entry.way._asdict()


def _plain_contrast(each: Contrast) -> dict[str, Any]:
    same = {name: value for name, value in each.better._asdict().items() if getattr(each.worse, name) == value}
    apart = [name for name in each.better._asdict() if name not in same]
    words = [" ".join(shown(getattr(way, name)) for name in apart) for way in (each.better, each.worse)]
    found = each.found
    return {
        "encoder": same.get("encoder", ""), "strategy": same.get("strategy", ""), "init": same.get("init", ""),
        "n": each.better.n, "first": words[0], "second": words[1], "gain": found.value, "low": found.low,
        "high": found.high, "p": found.p, "p_corrected": each.corrected, "told": each.told, "seeds": found.seeds,
        "of_seeds": each.of, "variance_of_seeds": found.by_seeds, "variance_of_images": found.by_images,
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


def _plain_cost(each: Cost) -> dict[str, Any]:
    own = {name: value for name, value in vars(each).items() if name not in ("way", "rates")}
    rates = [{"rate": rate, "cells": many} for rate, many in each.rates.items()]
    return each.way._asdict() | own | {"rates": rates}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")


def _finite(value: Any) -> Any:
    """The same with None for every number that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
