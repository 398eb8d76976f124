"""Runs side by side, on the images that all of them were tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError, listing
from medgraft.evaluation.delong import AucDifference
from medgraft.evaluation.findings import Findings, mean_findings
from medgraft.evaluation.intervals import PairedDifference
from medgraft.evaluation.label_compare import BY_IMAGE, label_findings
from medgraft.evaluation.outcomes import class_names
from medgraft.evaluation.resampling import Bootstrap
from medgraft.scores import Scores


@dataclass(frozen=True)
class Comparison:
    """What several runs scored on the same images.

    Attributes
    ----------
    names : the runs, the first being the one that others are compared with.
    ids : the images that all runs were tested on.
    metrics : the metrics that all runs have; of classifiers the overall ones, while ``scores`` has each class too.
    scores : by run, scores on those images (under the split that was compared).
    differences : by run (all but the first) and metric, that run minus the first.
    wins : by metric and run, on how many images the run alone is best; of classifiers by what stands for the
        metric on a single image (``BY_IMAGE``).
    rows : by run, its per-image rows of those images, in the order of ``ids``.
    notes : what a reader must know, such as images left out.
    delong : of classifiers, by run (all but the first) and metric (``auc`` in the binary case, else
        ``auc_<class>``), the test of that run's area against the first's.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    metrics: tuple[str, ...]
    scores: Mapping[str, Scores]
    differences: Mapping[str, Mapping[str, PairedDifference]]
    wins: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    delong: Mapping[str, Mapping[str, AucDifference]] = field(default_factory=dict)

    def values(self, metric: str) -> pd.DataFrame:
        """Return the metric (of classifiers what stands for it), a row an image (indexed by id), a column a run."""
        return pd.DataFrame(
            {name: rows[metric if metric in rows else BY_IMAGE[metric]].to_numpy() for name, rows in self.rows.items()},
            index=self.ids,
        )


@dataclass(frozen=True)
class _Kind:
    """What a kind of table asks for when runs are compared.

    Attributes
    ----------
    task, truth : the task, and what its images are labelled with, as a reader is told.
    differs : of the common rows by run, [n], whether the truth is not the same in all.
    findings : scores and differences on rows of the same images.
    """

    task: str
    truth: str
    differs: Callable[[Sequence[pd.DataFrame]], NDArray[np.bool_]]
    findings: Callable[[Mapping[str, pd.DataFrame], Bootstrap], Findings]


def compare(
    tables: Mapping[str, pd.DataFrame],
    split: str = "test",
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare runs on the images that each of them holds in ``split``.

    An image that one run learned from is in another split there, and so drops out of the comparison.

    Parameters
    ----------
    tables : by run, a row an image with the columns ``id``, ``split`` and where known ``group``. Of segmentation
        also the metrics, and where known ``foreground``, the fraction of foreground in the true mask. Of
        classification also ``target``, ``predicted``, ``p_<class>``, and of a cross-validation ``fold``; see
        :func:`~medgraft.evaluation.label_compare.label_findings`. Images where runs differ in foreground or
        target are not the same and are left out.
    split : the split that is compared.
    samples, level, seed : of the bootstrap; see :func:`~medgraft.evaluation.intervals.bootstrap_mean`.

    Raises
    ------
    RunError
        If there are fewer than two runs, their tasks or classes differ, a table lacks a column or repeats an
        image, or no image or metric is common.
    """
    if len(tables) < 2:
        raise RunError(f"a comparison needs at least two runs (got {listing(tables) or 'none'}).")
    held = {name: _held_rows(name, table, split) for name, table in tables.items()}
    kind = _common_kind(held)
    ids, notes = _common_images(held, split, kind)
    rows = {name: table.loc[ids].reset_index() for name, table in held.items()}
    rows, group_notes = _with_one_grouping(rows)
    found = kind.findings(rows, Bootstrap(samples, level, seed))
    return Comparison(
        names=tuple(rows),
        ids=tuple(ids),
        metrics=found.metrics,
        scores=found.scores,
        differences=found.differences,
        wins=found.wins,
        rows=found.rows,
        notes=(*notes, *group_notes, *found.notes),
        delong=found.delong,
    )


def _held_rows(name: str, table: pd.DataFrame, split: str) -> pd.DataFrame:
    missing = [column for column in ("id", "split") if column not in table.columns]
    if missing:
        raise RunError(f"{name}: no column {listing(missing)} among its predictions; evaluate the run again.")
    # A CSV reader takes ids such as 0012 for numbers in one table and for text in another.
    rows = table[table["split"] == split].assign(id=lambda held: held["id"].astype(str)).set_index("id")
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()].unique()
        raise RunError(f"{name}: images more than once among its predictions: {listing(twice)}.")
    return rows


def _common_kind(held: Mapping[str, pd.DataFrame]) -> _Kind:
    classes = {name: class_names(rows.columns) for name, rows in held.items()}
    first, *others = classes
    for other in others:
        if bool(classes[first]) != bool(classes[other]):
            tasks = " and ".join(f"{_kind(classes[run]).task} ({run})" for run in (first, other))
            raise RunError(f"runs of different tasks cannot be compared: {tasks}. Name runs of one task.")
        if classes[first] != classes[other]:
            raise RunError(
                f"{first} and {other} cannot be compared, for their classes differ: {listing(classes[first])} in one, "
                f"{listing(classes[other])} in the other. Train both on the same labels, in the same order."
            )
    return _kind(classes[first])


def _kind(classes: Sequence[str]) -> _Kind:
    return CLASSIFICATION if classes else SEGMENTATION


def _common_images(held: Mapping[str, pd.DataFrame], split: str, kind: _Kind) -> tuple[list[str], list[str]]:
    """Ids that every run holds, in the first run's order, and notes on what is left out."""
    first = next(iter(held.values()))
    ids = [str(image) for image in first.index if all(image in rows.index for rows in held.values())]
    notes = []
    if any(len(rows) != len(ids) for rows in held.values()):
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in held.items())
        notes.append(f"{split} images differ between runs ({counts}); the {len(ids)} in common are compared.")
    differs = kind.differs([rows.loc[ids] for rows in held.values()])
    other = [image for image, differ in zip(ids, differs, strict=True) if differ]
    if other:
        notes.append(f"{len(other)} images with different {kind.truth} are left out: {listing(other)}.")
    same = [image for image in ids if image not in set(other)]
    if not same:
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in held.items())
        reason = f"their {kind.truth} differ" if ids else f"{split} images: {counts}"
        raise RunError(
            f"the runs have no {split} image in common ({reason}); "
            "train them on the same data with the same split, for example by --split-file."
        )
    return same, notes


def _other_masks(held: Sequence[pd.DataFrame]) -> NDArray[np.bool_]:
    known = [rows["foreground"].to_numpy(dtype=np.float64) for rows in held if "foreground" in rows.columns]
    return np.asarray(np.ptp(np.stack(known), axis=0) > 1e-6) if known else np.zeros(len(held[0]), dtype=bool)


def _other_labels(held: Sequence[pd.DataFrame]) -> NDArray[np.bool_]:
    known = [rows["target"].fillna("").astype(str).to_numpy() for rows in held if "target" in rows.columns]
    differs = [texts != known[0] for texts in known[1:]]
    return np.any(differs, axis=0) if differs else np.zeros(len(held[0]), dtype=bool)


def _with_one_grouping(rows: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Give every run the groups of the first run that has any, so that intervals are of one kind."""
    grouped = [name for name, table in rows.items() if "group" in table.columns]
    if not grouped or len(grouped) == len(rows):
        return rows, []
    groups = rows[grouped[0]]["group"].to_numpy()
    note = f"groups are those of {grouped[0]}; not every run has them."
    return {name: table.assign(group=groups) for name, table in rows.items()}, [note]


SEGMENTATION = _Kind("segmentation", "masks", _other_masks, mean_findings)
CLASSIFICATION = _Kind("classification", "labels", _other_labels, label_findings)
