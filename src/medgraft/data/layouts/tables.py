"""A CSV that lists images and masks, with paths relative to it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medgraft.data.formats.raster import IMAGE_SUFFIXES
from medgraft.data.layouts.columns import (
    IMAGE_NAMES,
    MASK_NAMES,
    Columns,
    add_user_columns,
    find_column,
    read_table,
)
from medgraft.data.layouts.matching import unique_ids
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError, listing, suggest


def read(path: Path, columns: Columns) -> Manifest:
    """Read the CSV; raises DataError where a column, a value or a file is missing."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"{path}: give a folder or a CSV file.")
    raw = read_table(path)
    image = _wanted(raw, columns.image, IMAGE_NAMES, path, "image")
    mask = _wanted(raw, columns.mask, MASK_NAMES, path, "mask")
    if raw.empty:
        raise DataError(f"{path}: has a header and no rows.")
    _refuse_blanks(raw, image, mask, path)
    files = {"image": _resolved(raw[image], path), "target": _resolved(raw[mask], path)}
    base = pd.DataFrame(files)
    doubled = base["image"][base["image"].duplicated()].unique()
    if len(doubled):
        raise DataError(f"{path}: images are listed more than once: {listing(doubled)}.")
    base.insert(0, "id", unique_ids(base["image"]))
    note = f"{path.name}: images from column {image}, masks from column {mask}, {len(base)} rows"
    table, notes = add_user_columns(base, raw, columns, path)
    return Manifest(table, path, path.stem, (note, *notes))


def _wanted(raw: pd.DataFrame, asked: str | None, known: tuple[str, ...], path: Path, what: str) -> str:
    column = find_column(raw, asked, known, path)
    if column is not None:
        return column
    names = [str(name) for name in raw.columns]
    beside = (path.parent / "images").is_dir() and (path.parent / "masks").is_dir()
    hint = f" Or give the folder, which has images/ and masks/: {path.parent}" if beside else ""
    raise DataError(
        f"{path}: no column with the {what} files; recognised are {', '.join(known)}; it has "
        f"{listing(names)}.{suggest(what, names)} Name the column with --{what}-column.{hint}"
    )


def _refuse_blanks(raw: pd.DataFrame, image: str, mask: str, path: Path) -> None:
    for column, what in ((image, "image"), (mask, "mask")):
        rows = [position + 2 for position in range(len(raw)) if raw[column].iloc[position] == ""]
        if rows:
            raise DataError(f"{path}: {len(rows)} rows have no {what} in column {column}: lines {listing(rows)}.")


def _resolved(values: pd.Series, path: Path) -> list[str]:
    """Absolute paths; a value without an image's ending, such as an id, stands for the file of that stem."""
    folder = path.parent.absolute()
    files = [folder / value for value in values]
    return [str(file if file.is_file() else _with_suffix(file)) for file in files]


def _with_suffix(file: Path) -> Path:
    candidates = (file.with_name(file.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), file)
