"""Columns of a table: reading a CSV, recognising its columns, and turning them into group and split."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from medgraft.data.layouts.csv_text import encoding_said, read_text
from medgraft.data.manifest import SPLITS
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing, suggest

IMAGE_NAMES = ("file", "filename", "path", "image", "image_id", "image_path", "file_name")
MASK_NAMES = ("mask", "mask_path", "mask_file", "segmentation")
LABEL_NAMES = ("label", "labels", "class", "category", "diagnosis", "target", "dx", "finding", "finding_labels")
GROUP_NAMES = ("patient", "patient_id", "group")
SPLIT_NAMES = ("split", "fold", "set")
RESERVED = ("id", "image", "target", "group", "split")

_TOLD_SEPARATOR = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)  # a line that Excel writes for itself

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}


@dataclass(frozen=True)
class Columns:
    """The columns that the user named; None where usual names are to be recognised."""

    image: str | None = None
    mask: str | None = None
    group: str | None = None
    split: str | None = None
    label: tuple[str, ...] | None = None


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (comma, semicolon or tab) with every value as a stripped string, empty where missing.

    Raises DataError where the file is no text, or a line has more values than the header has names
    (as an unquoted comma in a file name makes), or a name is there twice.
    """
    return stripped(read_as_written(path))


def stripped(written: pd.DataFrame) -> pd.DataFrame:
    """Return the table of :func:`read_as_written` without spaces around its values, rows counted from 0."""
    return pd.DataFrame({column: written[column].str.strip() for column in written}).reset_index(drop=True)


def read_as_written(path: Path) -> pd.DataFrame:
    """Read a CSV as :func:`read_table` does, with every value as it was written; the index is the line's number."""
    numbered = _numbered_lines(path)
    header = [name.strip() for name in numbered[0][1]] if numbered else []
    if not any(header):
        raise DataError(f"{path}: cannot be read as a CSV file, its first line names no columns.")
    doubled = {name for name in header if name and header.count(name) > 1}
    if doubled:
        raise DataError(f"{path}: columns of the same name: {listing(sorted(doubled))}; rename one of each.")
    width = len(header)
    longer = [number for number, line in numbered if any(map(str.strip, line[width:]))]
    if longer:
        raise DataError(
            f"{path}: lines with more values than the {width} columns: {listing(longer)}; "
            "a value that holds the separator belongs in quotes."
        )
    filled = {number: line for number, line in numbered[1:] if any(map(str.strip, line))}
    rows = [line[:width] + [""] * (width - len(line)) for line in filled.values()]
    table = pd.DataFrame(rows, columns=header, index=list(filled), dtype=str)
    return table[[name for name in header if name]]


def _numbered_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The values of each line, and the number that an editor gives to it."""
    text, _ = read_text(path)
    first = text.partition("\n")[0]
    told = _TOLD_SEPARATOR.fullmatch(first)
    separator = told[1] if told else max(",;\t", key=first.count)
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
        numbered = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as a CSV file ({error}).") from None
    return numbered[1:] if told else numbered


def find_column(table: pd.DataFrame, asked: str | None, known: Sequence[str], where: Path) -> str | None:
    """Return the column that was asked for, or the first of the ``known`` ones, or None.

    Case, spaces and dashes do not matter. Raises DataError where the column that was asked for is missing.
    """
    plain = {_plain(str(column)): str(column) for column in reversed(table.columns)}
    if asked is None:
        return next((plain[name] for name in known if name in plain), None)
    if asked in table:
        return asked
    if _plain(asked) in plain:
        return plain[_plain(asked)]
    names = [str(column) for column in table.columns]
    raise DataError(f"{where}: no column {asked!r}; it has {listing(names)}.{suggest(asked, names)}")


def find_labels(table: pd.DataFrame, asked: Sequence[str] | None, where: Path) -> tuple[str, ...]:
    """Return the label columns that were asked for, or the first of the usual ones; empty where there is none.

    Raises DataError where a column that was asked for is missing.
    """
    if asked is None:
        column = find_column(table, None, LABEL_NAMES, where)
        return () if column is None else (column,)
    return tuple(str(find_column(table, name, (), where)) for name in asked)


def add_user_columns(
    base: pd.DataFrame, raw: pd.DataFrame, columns: Columns, where: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Add to ``base`` (id, image, target) the group, the split and all other columns of ``raw``, row by row.

    A user's column that has the name of one of ours and another meaning becomes ``csv_<name>``. Returns the
    table and what was recognised, in words.
    """
    table, notes = base.copy(), encoding_said(where)
    group = find_column(raw, columns.group, GROUP_NAMES, where)
    if group is not None:
        table["group"], note = _groups(raw[group], base["id"])
        notes.append(f"{where.name}: column {group} read as the patient (group), {note}")
    split, values, split_notes = _find_split(raw, columns.split, where)
    if values is not None:
        table["split"] = values
    represented = {"image", group, split}
    if "id" in raw and (raw["id"] == base["id"]).all():
        represented.add("id")
    for column in (str(name) for name in raw.columns):
        if column not in represented or column not in RESERVED:
            table[f"csv_{column}" if column in RESERVED else column] = _numbers(raw[column])
    return table, notes + split_notes


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _groups(values: pd.Series, ids: pd.Series) -> tuple[pd.Series, str]:
    empty = values == ""
    groups = values.mask(empty, "image " + ids.astype(str))
    note = f"{groups.nunique()} groups"
    return groups, f"{note}; {int(empty.sum())} images without one stand alone" if empty.any() else note


def _find_split(raw: pd.DataFrame, asked: str | None, where: Path) -> tuple[str | None, pd.Series | None, list[str]]:
    """The first column that holds splits: its name, its values in our words, and what to say about it."""
    notes: list[str] = []
    for known in SPLIT_NAMES:
        column = find_column(raw, asked, (known,), where)
        if column is None:
            continue
        values = _splits(raw[column], asked is not None, where)
        if values is not None:
            counts = ", ".join(f"{int((values == name).sum())} {name}" for name in SPLITS)
            return column, values, [*notes, f"{where.name}: column {column} read as the split, {counts}"]
        notes.append(f"{where.name}: column {column} holds no train, val or test, so it is no split")
    return None, None, notes


def _splits(values: pd.Series, asked: bool, where: Path) -> pd.Series | None:
    """Splits in our words; None where no value is one and the column was only recognised by its name."""
    read = values.str.casefold().map(SPLIT_WORDS)
    if read.notna().all():
        return read
    if not asked and read.isna().all():
        return None
    strange = sorted({value or "(empty)" for value in values[read.isna()]})
    refuse(
        "unknown splits",
        f"{where}: column {values.name} is a split, but {int(read.isna().sum())} rows hold {listing(strange)}"
        f"; understood are {', '.join(SPLIT_WORDS)}.",
        strange,
    )
    return read.fillna("")


def _numbers(values: pd.Series) -> pd.Series:
    """Numbers where all values are; text otherwise."""
    numbers = pd.to_numeric(values.replace("", None), errors="coerce")
    return numbers if numbers.notna().sum() == (values != "").sum() > 0 else values
