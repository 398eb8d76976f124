"""The tables of a classification report: scores by split, class by class, what is taken for what, and class balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from medgraft.report.folder import RunFolder
from medgraft.report.headline import scored_splits
from medgraft.report.label_table import LabelTable
from medgraft.scores import Interval

CLASS_METRICS = ("recall", "auc", "average_precision", "f1")


@dataclass(frozen=True)
class ClassRow:
    """One class in one split: images and groups that have it, how it was decided, and its scores by metric."""

    name: str
    images: int
    groups: int
    found: int
    missed: int
    alarms: int
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class Confusion:
    """What is taken for what; a row a true class.

    Attributes
    ----------
    names : of the classes, of rows and columns alike.
    counts : [classes, classes] images; the column is what was said.
    shares : of their row, from 0 to 1; None where no image has the class.
    """

    names: tuple[str, ...]
    counts: list[list[int]]
    shares: list[list[float | None]]


def overall_scores(run: RunFolder, names: Sequence[str]) -> dict[str, Any]:
    """Scores by split without those of single classes."""
    single = set(class_metrics(names))
    splits = scored_splits(run)
    metrics = list(dict.fromkeys(m for split in splits for m in run.scores[split] if m not in single))
    return {"splits": splits, "metrics": metrics, "scores": run.scores}


def class_rows(table: LabelTable, scores: Mapping[str, Interval]) -> list[ClassRow]:
    """A row a class, in class order."""
    rows = []
    for index, name in enumerate(table.classes.names):
        true, said = table.truth[:, index], table.decided[:, index]
        known = {metric: scores[f"{metric}_{name}"] for metric in CLASS_METRICS if f"{metric}_{name}" in scores}
        groups = len(np.unique(table.groups[true]))
        found, missed, alarms = (int(cells.sum()) for cells in (true & said, true & ~said, ~true & said))
        rows.append(ClassRow(name, int(true.sum()), groups, found, missed, alarms, known))
    return rows


def confusion(table: LabelTable) -> Confusion | None:
    """Counts and shares of what is taken for what; None where an image may have several labels."""
    if table.classes.multilabel or not len(table):
        return None
    counts = table.truth.astype(np.int64).T @ table.decided.astype(np.int64)
    totals = counts.sum(axis=1)
    shares = [
        [int(cell) / int(total) if total else None for cell in row] for row, total in zip(counts, totals, strict=True)
    ]
    return Confusion(table.classes.names, counts.tolist(), shares)


def class_balance(run: RunFolder, names: Sequence[str]) -> dict[str, Any]:
    """How many images of each class every split holds, and how many groups.

    Returns
    -------
    ``splits``, their names; ``rows``, each a class with a pair (images, share of the split) for every split;
    ``groups``, a count for every split, None where it is not known.
    """
    labels = run.data.get("labels")
    labels = {str(split): dict(found) for split, found in labels.items()} if isinstance(labels, Mapping) else {}
    images = run.data.get("splits") or {}
    splits = list(labels)
    # Where an image may have several labels they add up to more than the images that the split holds.
    totals = {split: images.get(split) or sum(labels[split].values()) for split in splits}
    rows = [
        (name, [(count := int(labels[split].get(name, 0)), count / totals[split] if totals[split] else 0.0)
                for split in splits])
        for name in names
    ]  # fmt: skip
    groups = groups_by_split(run)
    return {"splits": splits, "rows": rows if splits else [], "groups": [groups.get(split) for split in splits]}


def class_metrics(names: Sequence[str]) -> list[str]:
    """Names of the scores that belong to a single class."""
    return [f"{metric}_{name}" for name in names for metric in CLASS_METRICS]


def groups_by_split(run: RunFolder) -> dict[str, int]:
    """From split.csv, which knows the training images too; empty without such a file or without groups."""
    try:
        table = pd.read_csv(run.path / "split.csv", dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return {}
    if not {"split", "group"} <= set(table.columns) or not table["group"].str.strip().any():
        return {}
    used = table[table["split"] != "unused"]
    return {str(split): int(part["group"].nunique()) for split, part in used.groupby("split")}
