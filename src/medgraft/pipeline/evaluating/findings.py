"""All that an evaluation found, in the plain types of ``evaluation.json``."""

from __future__ import annotations

from typing import Any

from medgraft.errors import counted
from medgraft.evaluation import as_plain, detection, size_agreement
from medgraft.pipeline.evaluating.calibration import calibration_parts, operating_points
from medgraft.pipeline.evaluating.choices import bootstrap_of, told
from medgraft.pipeline.evaluating.evidence import Evidence
from medgraft.pipeline.evaluating.risk import disagreement_part, risk_part
from medgraft.pipeline.evaluating.subgroups import subgroup_parts
from medgraft.pipeline.prepare import is_synthetic
from medgraft.report.evaluation_folder import KIND
from medgraft.report.folder import RunFolder
from medgraft.report.label_table import label_table
from medgraft.report.label_wording import cautions as label_cautions
from medgraft.run import FORMAT
from medgraft.version import __version__

FEW = 50
"""Images with masks below which a mean says little."""


def findings_of(evidence: Evidence) -> dict[str, Any]:
    """The contents of ``evaluation.json``; see docs/how-to/evaluate.md for what each entry is."""
    run = evidence.run
    found: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "medgraft": __version__,
        "run": run.name,
        "task": run.task,
        "own": evidence.subject.own,
        "split": evidence.split,
        "way": evidence.way.words or ([f"ensemble-of-{len(run.folds)}-folds"] if run.folds else []),
        "data": _data(evidence),
        "reading": {"group": run.recipe.group_column, "window": run.recipe.window},
        "model": run.model_info | evidence.choices.model_entries(),
        **told(evidence.choices),
        "calibration": calibration_parts(evidence),
        "operating_points": [] if evidence.masks else operating_points(evidence),
        "subgroups": subgroup_parts(evidence),
        "risk_coverage": risk_part(evidence),
        "risk_by_disagreement": disagreement_part(evidence),
        "structures": _structures(evidence) if evidence.masks else [],
        "agreement": _agreement(evidence) if evidence.masks else [],
        "distance": evidence.distance,
    }
    return found | {"cautions": [*evidence.said, *evidence.choices.notes, *_few(evidence)]}


def _data(evidence: Evidence) -> dict[str, Any]:
    subject = evidence.subject
    manifest, table = subject.manifest, evidence.table
    counts = {split: len(rows) for split, rows in subject.rows.items()}
    groups = {}
    if manifest.has_groups:
        groups = {str(split): int(n) for split, n in table.groupby("split", sort=False)["group"].nunique().items()}
    return {
        "name": subject.name,
        "images": subject.count,
        "splits": counts,
        "groups": groups,
        "labels": _labels(evidence),
        "notes": list(subject.notes),
        "synthetic": is_synthetic(manifest),
    }


def _labels(evidence: Evidence) -> dict[str, dict[str, int]]:
    classes = evidence.subject.manifest.classes
    if classes is None:
        return {}
    parts = evidence.table.groupby("split", sort=False)["target"]
    return {
        str(split): dict(zip(classes.names, map(int, classes.presence(targets).sum(axis=0)), strict=True))
        for split, targets in parts
    }


def _classes(evidence: Evidence) -> list[str]:
    """Names of the classes that masks are scored by one by one; an empty one for all of the foreground together."""
    names = [str(name) for name in evidence.run.model_info["classes"]["names"]][1:]
    return ["", *(names if len(names) > 1 else [])]


def _structures(evidence: Evidence) -> list[dict[str, Any]]:
    rows, drawn = evidence.rows(), bootstrap_of(evidence.run)
    found = [(name, detection(rows, name, drawn)) for name in _classes(evidence)]
    return [{"class": name} | as_plain(each) | {"missed": each.missed, "extra": each.extra} for name, each in found]


def _agreement(evidence: Evidence) -> list[dict[str, Any]]:
    rows, drawn = evidence.rows(), bootstrap_of(evidence.run)
    names = [name for name in _classes(evidence) if name or len(_classes(evidence)) == 1]
    return [{"class": name} | as_plain(size_agreement(rows, name, drawn)) for name in names]


def _few(evidence: Evidence) -> list[str]:
    """What is too few to rest much on."""
    run, rows = evidence.run, evidence.rows()
    if evidence.masks:
        few = 0 < len(rows) < FEW
        return [f"Only {counted(len(rows), 'image')} were scored: go by the intervals."] if few else []
    folder = RunFolder(run.folder, "", {}, run.model_info, (), evidence.scores, evidence.table)
    return label_cautions(label_table(folder, evidence.split), evidence.scores.get(evidence.split, {}), evidence.split)
