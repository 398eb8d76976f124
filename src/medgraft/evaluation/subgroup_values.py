"""From a column of a table to subgroups of its rows: values as they are, or numbers cut into ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import DataError, RecipeError, listing, suggest

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MISSING = "(missing)"
FEW_VALUES = 6
"""Numbers of at most so many different values (a grade, 0 and 1) are taken as they are; others are cut."""
MOST = 30
"""More subgroups than this cannot be read, nor have they enough images each."""


@dataclass(frozen=True)
class By:
    """A column, and where to cut its numbers; without cuts, at their quartiles."""

    column: str
    cuts: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> By:
        """Read ``COLUMN`` or ``COLUMN=CUT,CUT,...``, such as ``age=40,60``.

        Raises
        ------
        RecipeError
            Where there is no column, or a cut is no number.
        """
        column, equals, rest = text.rpartition("=") if "=" in text else (text, "", "")
        if not column.strip():
            raise RecipeError(f"subgroups are by a column, such as sex or age=40,60 (got {text!r}).")
        if not equals:
            return cls(column.strip())
        try:
            cuts = sorted({float(part) for part in rest.split(",")})
        except ValueError:
            cuts = []
        if not cuts or not np.isfinite(cuts).all():
            raise RecipeError(f"where to cut {column} is given by numbers, as in age=40,60 (got {text!r}).")
        return cls(column.strip(), tuple(cuts))


@dataclass(frozen=True, eq=False)
class SubgroupValues:
    """Which subgroup each row is in.

    Attributes
    ----------
    names : of the subgroups that have rows, in their order; rows without a value come last, as ``(missing)``.
    codes : [N], the number of each row's subgroup.
    cut : how they were made: ``values``, ``quartiles`` or ``cut points``.
    """

    names: tuple[str, ...]
    codes: Codes
    cut: str


def subgroup_values(table: pd.DataFrame, by: By) -> SubgroupValues:
    """Return the subgroups of a table's rows.

    Texts are taken as they are, and so are numbers of at most six different values. Other numbers are cut: at ``by``'s
    cuts or at the quartiles of these rows; a range holds its lower end and not its upper one.

    Raises
    ------
    DataError
        If the table lacks the column or has no value in it, if it is to be cut and holds texts, or if it has too many
        different texts to be subgroups.
    """
    if by.column not in table.columns:
        raise DataError(
            f"no column {by.column!r}, so there are no subgroups by it; there are {listing(table.columns, 20)}."
            + suggest(by.column, map(str, table.columns))
        )
    texts = np.array([_text(value) for value in table[by.column]], dtype=object)
    known = texts != ""
    if not known.any():
        raise DataError(f"the column {by.column} is empty in all {len(texts)} rows.")
    numbers = pd.to_numeric(pd.Series(texts[known]), errors="coerce").to_numpy(dtype=np.float64)
    numeric = bool(np.isfinite(numbers).all())
    if by.cuts and not numeric:
        strange = sorted(set(texts[known][~np.isfinite(numbers)]))
        raise DataError(f"{by.column} cannot be cut at numbers, as it has the texts {listing(map(repr, strange), 3)}.")
    if numeric and (by.cuts or len(np.unique(numbers)) > FEW_VALUES):
        edges = np.asarray(by.cuts) if by.cuts else _quartiles(numbers)
        names, codes = _ranges(edges), np.searchsorted(edges, numbers, side="right")
        cut = "cut points" if by.cuts else "quartiles"
    else:
        names, codes = _values(texts[known], numbers if numeric else None, by.column)
        cut = "values"
    everywhere = np.full(len(texts), len(names), dtype=np.int64)
    everywhere[known] = codes
    present, codes = np.unique(everywhere, return_inverse=True)
    return SubgroupValues(tuple([*names, MISSING][index] for index in present), codes.astype(np.int64), cut)


def _text(value: Any) -> str:
    """A value as text, empty where it is missing; a number without digits that say nothing."""
    if pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _values(texts: NDArray[Any], numbers: Floats | None, column: str) -> tuple[list[str], Codes]:
    if numbers is not None:
        found, codes = np.unique(numbers, return_inverse=True)
        return _short(found), codes
    names = sorted(set(texts))
    if len(names) > MOST:
        raise DataError(
            f"the column {column} has {len(names)} different values ({listing(names, 3)}), too many for subgroups; "
            f"name one with at most {MOST}."
        )
    index = {name: position for position, name in enumerate(names)}
    return names, np.array([index[text] for text in texts], dtype=np.int64)


def _quartiles(numbers: Floats) -> Floats:
    """Edges between quarters of the rows; fewer where many rows have one value."""
    edges = np.quantile(numbers, [0.25, 0.5, 0.75])
    if (numbers == np.round(numbers)).all():
        # 54.5 and 55 part whole numbers alike.
        edges = np.ceil(edges)
    edges = np.unique(edges)
    return np.asarray(edges[edges > numbers.min()])


def _short(numbers: Sequence[float] | Floats) -> list[str]:
    """Numbers as texts, whole ones in full, others with six digits, or as many as tell all of them apart."""
    texts = [f"{number:.0f}" if float(number).is_integer() else f"{number:g}" for number in numbers]
    return texts if len(set(texts)) == len(texts) else [f"{number:.15g}" for number in numbers]


def _ranges(edges: Sequence[float] | Floats) -> list[str]:
    texts = _short(edges)
    between = [f"{low} to under {high}" for low, high in pairwise(texts)]
    return [f"under {texts[0]}", *between, f"{texts[-1]} and over"]
