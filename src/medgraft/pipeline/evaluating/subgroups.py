"""Scores of an evaluation by the values of the user's own columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from medgraft.evaluation import as_plain
from medgraft.evaluation.subgroups import subgroup_scores
from medgraft.pipeline.evaluating.choices import bootstrap_of
from medgraft.pipeline.evaluating.columns import column_values
from medgraft.pipeline.evaluating.evidence import Evidence

_SAFE = "column of the user"
"""What a column is called beside our own ones, whose names it may have."""


def subgroup_parts(evidence: Evidence) -> list[dict[str, Any]]:
    """The subgroups of the split that is spoken of, a part for each column, in the form of ``SubgroupScores``."""
    rows = evidence.rows()
    several = None if evidence.masks else evidence.classes.multilabel
    parts = []
    for by in evidence.by:
        values = column_values(evidence.subject, by.column, rows["id"].tolist())
        table = rows.assign(**{_SAFE: values})
        found = subgroup_scores(table, replace(by, column=_SAFE), several, bootstrap=bootstrap_of(evidence.run))
        parts.append(as_plain(found) | {"column": by.column})
    return parts
