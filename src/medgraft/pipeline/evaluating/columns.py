"""The columns of the data by whose values an evaluation is split up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medgraft.errors import DataError, listing, suggest
from medgraft.evaluation.subgroup_values import By, subgroup_values
from medgraft.pipeline.evaluating.data import Subject

_OURS = ("id", "image")


def read_columns(subject: Subject, by: Sequence[str]) -> tuple[By, ...]:
    """Read what subgroups are wanted, such as ``sex`` or ``age=40,60``, before any work is done.

    Raises
    ------
    DataError
        For a column that the data lacks, or that cannot make subgroups of the images that are scored.
    RecipeError
        For cuts that are no numbers.
    """
    known = _columns(subject)
    rows = subject.manifest.table.iloc[np.concatenate(list(subject.rows.values()))]
    found = tuple(By.parse(text) for text in by)
    for each in found:
        if each.column not in known:
            there = f"it has {listing(known)}" if known else "it has none, as no table comes with it"
            raise DataError(
                f"{subject.manifest.root}: no column {each.column!r} to make subgroups by; {there}."
                f"{suggest(each.column, known)}"
            )
        subgroup_values(rows, each)
    return found


def column_values(subject: Subject, column: str, ids: Sequence[str]) -> pd.Series:
    """The values of a column for these images, in their order."""
    table = subject.manifest.table
    return pd.Series(table[column].to_numpy(), index=table["id"]).loc[list(ids)].reset_index(drop=True)


def _columns(subject: Subject) -> list[str]:
    hidden = (*_OURS, *(() if subject.manifest.classes is not None else ("target",)))
    return [str(name) for name in subject.manifest.table.columns if name not in hidden]
