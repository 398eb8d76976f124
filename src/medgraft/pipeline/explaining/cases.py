"""Which images of a run are explained: those that it was surest of, rightly and wrongly, and those it wavers at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medgraft.data.formats import Address, Axis
from medgraft.errors import DataError, RunError, counted, listing
from medgraft.pipeline.predicting.inputs import pictures_of
from medgraft.report.folder import RunFolder
from medgraft.report.label_pictures import most_confident
from medgraft.report.label_table import LabelTable, label_table
from medgraft.report.pictures import choose_cases

SHOWN = 4
"""Images of each kind."""
MEASURED = {True: 60, False: 12}
"""Images at most, over which the mass inside masks is averaged, for quick methods and for others."""


@dataclass(frozen=True)
class Look:
    """An image to explain.

    Attributes
    ----------
    id : the run's name for it, or the file's.
    address : of the image.
    kind : why it is shown; None where it is only measured.
    caption : what is said beside its picture.
    group : its patient; empty where none is known.
    reference : address of the mask of a segmentation's image; empty for others.
    """

    id: str
    address: str
    kind: str | None = None
    caption: str = ""
    group: str = ""
    reference: str = ""


def given_looks(files: Sequence[str | Path], axis: Axis, out: Path) -> list[Look]:
    """The images that were asked for; see :func:`~medgraft.pipeline.predicting.inputs.pictures_of`."""
    return [Look(picture.name, picture.address, "given", picture.name) for picture in pictures_of(files, axis, out)]


def own_looks(run: RunFolder) -> tuple[list[Look], list[Look]]:
    """The run's own images of the split that its report speaks of: those to show, and all.

    Raises
    ------
    RunError
        Where no split was scored.
    DataError
        Where no image is where it was any more.
    """
    if run.split is None:
        raise RunError(f"{run.path}: the run has no scored images of its own; name the images to explain.")
    rows = run.rows(run.split)
    looks = [_look(row, run.task) for row in rows.to_dict("records")]
    there = {look.id: look for look in looks if Address.parse(look.address).file.is_file()}
    if not there:
        raise DataError(
            f"{run.path}: none of its {counted(len(looks), run.split + ' image')} is where it was "
            f"({listing([look.address for look in looks], 2)}); name images: medgraft explain {run.path} IMAGE."
        )
    kept = rows[rows["id"].isin(there)]
    kept_run = replace(run, predictions=kept)
    shown = _by_dice(kept) if run.task == "segmentation" else _by_sureness(label_table(kept_run, run.split))
    return [replace(there[name], kind=kind, caption=words) for name, kind, words in shown], list(there.values())


def measured_looks(all_looks: Sequence[Look], quick: bool) -> list[Look]:
    """The images that an average is taken over: all, or some drawn by chance, as the shown ones are extremes."""
    most = MEASURED[quick]
    if len(all_looks) <= most:
        return list(all_looks)
    places = np.random.default_rng(0).choice(len(all_looks), most, replace=False)
    return [all_looks[place] for place in sorted(places)]


def _look(row: Mapping[Any, Any], task: str) -> Look:
    group = row.get("group")
    return Look(
        str(row["id"]),
        str(row["image"]),
        group="" if group is None or pd.isna(group) else str(group),
        reference=str(row["target"]) if task == "segmentation" else "",
    )


def _by_dice(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Identity, kind and words of the images with the worst, median and best Dice."""
    chosen = choose_cases(rows, count=SHOWN)
    return [
        (str(row["id"]), kind, f"Dice {row['dice']:.3f} · {row['id']}")
        for kind in ("worst", "median", "best")
        for row in chosen[kind].to_dict("records")
    ]


def _by_sureness(table: LabelTable) -> list[tuple[str, str, str]]:
    """Identity, kind and words of the surest wrong, the surest right and the least sure images; none twice."""
    wrong, right = (most_confident(table, kind, SHOWN).tolist() for kind in (False, True))
    taken = {*wrong, *right}
    order = sorted(range(len(table)), key=lambda row: (table.sureness[row], table.ids[row]))
    unsure = [row for row in order if row not in taken][:SHOWN]
    kinds = (("wrong", wrong), ("right", right), ("unsure", unsure))
    return [(table.ids[row], kind, _words(table, row)) for kind, rows in kinds for row in rows]


def _words(table: LabelTable, row: int) -> str:
    truth, said = table.names(table.truth[row]), table.names(table.decided[row])
    return f"true: {truth}\npredicted: {said}, {table.sureness[row]:.2f}\n{table.ids[row]}"
