"""Runs side by side, on the images that all of them were tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medgraft.errors import RunError, listing
from medgraft.evaluation.intervals import PairedDifference, group_column, paired_difference, scores_table
from medgraft.evaluation.metrics import metric_columns
from medgraft.scores import Scores


@dataclass(frozen=True)
class Comparison:
    """What several runs scored on the same images.

    Attributes
    ----------
    names : the runs, the first being the one that others are compared with.
    ids : the images that all runs were tested on.
    metrics : the metrics that all runs have.
    scores : by run, scores on those images (under the split that was compared).
    differences : by run (all but the first) and metric, that run minus the first.
    wins : by metric and run, on how many images the run alone is best.
    rows : by run, its per-image rows of those images, in the order of ``ids``.
    notes : what a reader must know, such as images left out.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    metrics: tuple[str, ...]
    scores: Mapping[str, Scores]
    differences: Mapping[str, Mapping[str, PairedDifference]]
    wins: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()

    def values(self, metric: str) -> pd.DataFrame:
        """Return the metric, a row an image (indexed by id) and a column a run."""
        return pd.DataFrame({name: rows[metric].to_numpy() for name, rows in self.rows.items()}, index=self.ids)


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
    tables : by run, a row an image with the columns ``id``, ``split``, the metrics, and where known ``group``
        and ``foreground`` (the fraction of foreground in the true mask; images where runs differ in it are
        not the same image and are left out).
    split : the split that is compared.
    samples, level, seed : of the bootstrap; see :func:`~medgraft.evaluation.intervals.bootstrap_mean`.

    Raises
    ------
    RunError
        If there are fewer than two runs, a table lacks a column or repeats an image, or no image or metric is
        common.
    """
    if len(tables) < 2:
        raise RunError(f"a comparison needs at least two runs (got {listing(tables) or 'none'}).")
    held = {name: _held_rows(name, table, split) for name, table in tables.items()}
    ids, notes = _common_images(held, split)
    rows = {name: table.loc[ids].reset_index() for name, table in held.items()}
    rows, group_notes = _with_one_grouping(rows)
    names, metrics = tuple(rows), _common_metrics(rows)
    differences = {
        name: {m: _difference(rows[name], rows[names[0]], m, samples, level, seed) for m in metrics}
        for name in names[1:]
    }
    scores = {
        name: scores_table(table[["id", "split", *_group_names(table), *metrics]], samples, level, seed)
        for name, table in rows.items()
    }
    wins = {metric: _wins(rows, metric) for metric in metrics}
    return Comparison(names, tuple(ids), metrics, scores, differences, wins, rows, (*notes, *group_notes))


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


def _common_images(held: Mapping[str, pd.DataFrame], split: str) -> tuple[list[str], list[str]]:
    """Ids that every run holds, in the first run's order, and notes on what is left out."""
    first = next(iter(held.values()))
    ids = [str(image) for image in first.index if all(image in rows.index for rows in held.values())]
    notes = []
    if any(len(rows) != len(ids) for rows in held.values()):
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in held.items())
        notes.append(f"{split} images differ between runs ({counts}); the {len(ids)} in common are compared.")
    other = _other_masks(held, ids)
    if other:
        notes.append(f"{len(other)} images with different masks are left out: {listing(other)}.")
    same = [image for image in ids if image not in set(other)]
    if not same:
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in held.items())
        reason = "their masks differ" if ids else f"{split} images: {counts}"
        raise RunError(
            f"the runs have no {split} image in common ({reason}); "
            "train them on the same data with the same split, for example by --split-file."
        )
    return same, notes


def _other_masks(held: Mapping[str, pd.DataFrame], ids: Sequence[str]) -> list[str]:
    tables = [rows for rows in held.values() if "foreground" in rows.columns]
    if len(tables) < 2 or not ids:
        return []
    fractions = np.stack([rows.loc[list(ids), "foreground"].to_numpy(dtype=np.float64) for rows in tables])
    differ = np.ptp(fractions, axis=0) > 1e-6
    return [image for image, other in zip(ids, differ, strict=True) if other]


def _with_one_grouping(rows: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Give every run the groups of the first run that has any, so that intervals are of one kind."""
    grouped = [name for name, table in rows.items() if "group" in table.columns]
    if not grouped or len(grouped) == len(rows):
        return rows, []
    groups = rows[grouped[0]]["group"].to_numpy()
    note = f"groups are those of {grouped[0]}; not every run has them."
    return {name: table.assign(group=groups) for name, table in rows.items()}, [note]


def _common_metrics(rows: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    first = metric_columns(next(iter(rows.values())).columns)
    metrics = tuple(m for m in first if all(m in table.columns for table in rows.values()))
    if not metrics:
        raise RunError("the runs have no metric in common; evaluate them again.")
    return metrics


def _group_names(table: pd.DataFrame) -> list[str]:
    return ["group"] if "group" in table.columns else []


def _difference(
    run: pd.DataFrame, first: pd.DataFrame, metric: str, samples: int, level: float, seed: int
) -> PairedDifference:
    one, other = run[metric].to_numpy(), first[metric].to_numpy()
    return paired_difference(one, other, group_column(first), samples, level, seed)


def _wins(rows: Mapping[str, pd.DataFrame], metric: str) -> dict[str, int]:
    values = np.stack([table[metric].to_numpy(dtype=np.float64) for table in rows.values()])
    ordered = np.sort(values, axis=0)
    # NaN sorts last and makes this comparison false: an image that is undefined for one run has no winner.
    alone = ordered[-1] - ordered[-2] > 1e-9
    best = values.argmax(axis=0)
    return {name: int(np.sum(alone & (best == index))) for index, name in enumerate(rows)}
