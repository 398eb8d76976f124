"""Labels as people write them, turned into the texts of targets and the classes that these mean."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.labels import SEPARATOR, LabelClasses, in_order, says_nothing_found
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing

_BLANK = frozenset(("", "nan", "<na>", "na", "n/a", "null"))
_WORDS = {**dict.fromkeys(("1", "1.0", "true", "yes"), 1), **dict.fromkeys(("0", "0.0", "false", "no"), 0)}
_LARGEST_SURE = 20
"""So many classes are believed whatever the number of images; beyond, half of the images must share one."""


@dataclass(frozen=True)
class Labels:
    """Labels that were understood.

    Attributes
    ----------
    targets : a text for each row, in their order.
    classes : what the texts mean.
    notes : what was decided on the way, the order of the classes among it.
    """

    targets: list[str]
    classes: LabelClasses
    notes: tuple[str, ...]


def read_labels(written: pd.DataFrame, columns: Sequence[str], order: Sequence[str] | None, path: Path) -> Labels:
    """Read the labels of a table whose values are as written and whose index holds line numbers.

    One column holds a label a row, or several joined by ``|``; of several columns, each is a class and holds 0 or
    1. Labels that differ in case or spaces alone become one, and a note says so.

    Raises
    ------
    DataError
        For values that are neither 0 nor 1 in several columns, one class only, and an ``order`` that names other
        classes than there are.
    """
    if len(columns) > 1:
        return _from_flags(written, columns, order, path)
    values = written[columns[0]]
    if values.str.contains(SEPARATOR, regex=False).any():
        return _from_lists(values, order, path)
    return single_labels(values.tolist(), order, path, f"{path.name}: column {columns[0]}")


def labelled_rows(written: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """The rows of a table, indexed by line, that have a label in every column; the others are refused."""
    for column in columns:
        blank = written[column].str.strip().str.casefold().isin(_BLANK)
        lines = written.index[blank]
        if len(lines):
            refuse(
                "no label",
                f"{path}: {len(lines)} rows have no label in column {column}: lines {listing(lines)}; "
                "fill them in, or take the rows out.",
                (f"{path.name}:{line}" for line in lines),
            )
            written = written[~blank]
    return written


def single_labels(values: Sequence[str], order: Sequence[str] | None, where: Path, what: str) -> Labels:
    """Return one label a row, spellings merged; ``what`` says in the notes where they stand."""
    spelling, notes = _spellings(values, what)
    targets = [spelling[value] for value in values]
    found = set(targets)
    if len(found) > _LARGEST_SURE and 2 * len(found) > len(targets):
        raise DataError(
            f"{where}: {len(found)} different labels for {len(targets)} images ({what}), so these are hardly "
            "classes; name the column that holds the label with --label-column."
        )
    with _naming(where):
        classes = LabelClasses.infer(found, order)
    return Labels(targets, classes, (*notes, _order_note(classes)))


def flag_labels(flags: npt.NDArray[Any], names: Sequence[str], order: Sequence[str] | None, where: Path) -> Labels:
    """Return multi-label targets of ``flags`` ``[N, C]``, 0 and 1, whose columns are the classes ``names``."""
    with _naming(where):
        classes = LabelClasses.several(names, order)
    arranged = flags[:, [list(names).index(name) for name in classes.names]]
    note = "an image may have several of these classes, or none"
    return Labels([classes.text(row) for row in arranged], classes, (_order_note(classes), note))


def presence_labels(
    found: Sequence[Sequence[str]], names: Sequence[str], order: Sequence[str] | None, where: Path
) -> Labels:
    """Return labels that say which of the classes ``names`` each image shows; of a single one, it or ``no`` it."""
    if len(names) == 1:
        texts = [names[0] if shown else f"no {names[0]}" for shown in found]
        return single_labels(texts, order, where, f"{where.name}: what images show")
    flags = np.array([[name in shown for name in names] for shown in found], np.uint8)
    return flag_labels(flags, names, order, where)


def label_key(label: object) -> str:
    """What stays the same where a label is written in other case, with other spaces, or as 1.0 for 1."""
    return re.sub(r"^(\d+)\.0*$", r"\1", _tidy(str(label)).casefold())


def _from_lists(values: pd.Series, order: Sequence[str] | None, path: Path) -> Labels:
    """Labels joined by ``|``; a name that says nothing was found stands alone, and for none of the classes."""
    rows = [[_tidy(part) for part in value.split(SEPARATOR) if part.strip()] for value in values]
    spelling, notes = _spellings([part for row in rows for part in row], f"{path.name}: column {values.name}")
    named = [{spelling[part] for part in row} for row in rows]
    nothing = {name for name in spelling.values() if says_nothing_found(name)}
    mixed = [line for line, row in zip(values.index, named, strict=True) if row & nothing and row - nothing]
    if mixed or not all(named):
        empty = [line for line, row in zip(values.index, named, strict=True) if not row]
        raise DataError(
            f"{path}: {len(mixed) + len(empty)} rows of column {values.name} name nothing, or a finding beside "
            f"{listing(sorted(nothing)) or 'nothing'}: lines {listing(sorted(mixed + empty))}; mend them."
        )
    names = in_order(set(spelling.values()) - nothing)
    with _naming(path):
        classes = LabelClasses.several(names, order)
    targets = [SEPARATOR.join(name for name in classes.names if name in row) for row in named]
    said = [f"{listing(sorted(nothing))} read as none of the classes"] if nothing else []
    several = f"column {values.name} may name several classes an image, joined by {SEPARATOR}"
    return Labels(targets, classes, (*notes, f"{path.name}: {'; '.join([several, *said])}", _order_note(classes)))


def _from_flags(written: pd.DataFrame, columns: Sequence[str], order: Sequence[str] | None, path: Path) -> Labels:
    """A class a column, 1 where the image has it."""
    flags = np.zeros((len(written), len(columns)), np.uint8)
    for position, column in enumerate(columns):
        read = written[column].str.strip().str.casefold().map(_WORDS)
        strange = written.index[read.isna()]
        if len(strange):
            values = sorted({value.strip() for value in written[column][read.isna()]})
            raise DataError(
                f"{path}: {len(strange)} rows of column {column} hold {listing(values)} (lines {listing(strange)}); "
                "with several label columns each is a class and holds 0 or 1."
            )
        flags[:, position] = read
    return flag_labels(flags, columns, order, path)


def _spellings(values: Iterable[str], what: str) -> tuple[Mapping[str, str], list[str]]:
    """The spelling that each value is read as, which is the most frequent one of its kind, and a warning."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for value, times in Counter(values).items():
        groups[label_key(value)][value] += times
    spelling: dict[str, str] = {}
    merged = []
    for written in groups.values():
        clean: Counter[str] = Counter()
        for value, times in written.items():
            clean[_tidy(value)] += times
        chosen = min(clean, key=lambda name: (-clean[name], name))
        spelling |= dict.fromkeys(written, chosen)
        others = sorted(f"{value!r} ({times})" for value, times in written.items() if value != chosen)
        if len(written) > 1:
            merged.append(f"{', '.join(others)} read as {chosen!r}")
    return spelling, [f"warning: {what} has labels in several spellings: {'; '.join(merged)}"] if merged else []


def _tidy(label: str) -> str:
    return " ".join(label.split())


def _order_note(classes: LabelClasses) -> str:
    return f"classes in order: {', '.join(classes.names)}"


@contextmanager
def _naming(where: Path) -> Iterator[None]:
    """Say in what file or folder the labels are that make no classes."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
