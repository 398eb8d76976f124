"""A CSV that lists images and masks, or images and labels, with paths relative to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from medgraft.data.formats.raster import IMAGE_SUFFIXES
from medgraft.data.layouts import isic
from medgraft.data.layouts.columns import (
    IMAGE_NAMES,
    LABEL_NAMES,
    MASK_NAMES,
    Columns,
    add_user_columns,
    find_column,
    find_labels,
    read_as_written,
    read_table,
    stripped,
)
from medgraft.data.layouts.label_values import read_labels
from medgraft.data.layouts.matching import child_folder, unique_ids
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError, listing, suggest

Task = Literal["auto", "segmentation", "classification"]

_NAMELESS = frozenset(("all", "data", "dataset", "images", "index", "label", "labels", "metadata", "table", "train"))


def read(path: Path, columns: Columns, task: Task, order: Sequence[str] | None) -> Manifest:
    """Read the CSV; raises DataError where a column, a value or a file is missing."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"{path}: give a folder or a CSV file (or an .npz file).")
    written = read_as_written(path)
    raw = stripped(written)
    image = _wanted(raw, columns, path, "image")
    labels = _label_columns(raw, columns, task, path)
    mask = "" if labels else _wanted(raw, columns, path, "mask")
    if raw.empty:
        raise DataError(f"{path}: has a header and no rows.")
    _refuse_blanks(written, image, "image", path)
    if labels:
        manifest = _with_labels(written, image, labels, columns, order, path)
        return manifest.with_notes(*_masks_beside(path.parent)) if task == "auto" else manifest
    _refuse_blanks(written, mask, "mask", path)
    base = pd.DataFrame({"image": _resolved(raw[image], [path.parent]), "target": _resolved(raw[mask], [path.parent])})
    _refuse_doubled(base, path)
    base.insert(0, "id", unique_ids(base["image"]))
    note = f"{path.name}: images from column {image}, masks from column {mask}, {len(base)} rows"
    table, notes = add_user_columns(base, raw, columns, path)
    return Manifest(table, path, _name(path), (note, *notes))


def find_labelled(root: Path, columns: Columns) -> Path | None:
    """The CSV in ``root`` with labels that names most files that exist; None where none does."""
    best: tuple[int, Path] | None = None
    for path in sorted(root.glob("*.csv")):
        raw = read_table(path)
        try:
            image = find_column(raw, columns.image, IMAGE_NAMES, path)
            labels = find_labels(raw, columns.label, path)
        except DataError:  # another CSV may have the columns that were asked for
            continue
        if image is None or not labels:
            continue
        hits = sum(Path(file).is_file() for file in _resolved(raw[image], _places(root)))
        if hits and (best is None or hits > best[0]):
            best = hits, path
    return None if best is None else best[1]


def _with_labels(
    written: pd.DataFrame,
    image: str,
    label_columns: Sequence[str],
    columns: Columns,
    order: Sequence[str] | None,
    path: Path,
) -> Manifest:
    labels = read_labels(written, label_columns, order, path)
    raw = stripped(written)
    base = pd.DataFrame({"image": _resolved(raw[image], _places(path.parent)), "target": labels.targets})
    _refuse_two_labels(base, path)
    _refuse_doubled(base, path)
    base.insert(0, "id", unique_ids(base["image"]))
    what = "labels from column" if len(label_columns) == 1 else "0 or 1 for each class from columns"
    note = f"{path.name}: images from column {image}, {what} {listing(label_columns)}, {len(base)} rows"
    table, notes = add_user_columns(base, raw, columns, path)
    placed, official = _said_of_places(base["image"], path.parent)
    if official and "split" not in table:
        table["split"] = official
    masks = find_column(raw, columns.mask, MASK_NAMES, path)
    unused = [f"{path.name}: the masks of column {masks} are not used"] if masks else []
    return Manifest(table, path, _name(path), (note, *labels.notes, *notes, *placed, *unused), labels.classes)


def _said_of_places(images: pd.Series, folder: Path) -> tuple[list[str], list[str]]:
    """A note on folders that images were looked for in, and the splits of those of an ISIC challenge, if several."""
    folders = [Path(image).parent for image in images]
    used = sorted({place.name for place in _places(folder)[1:] if place in set(folders)})
    official = isic.image_folders(folder)
    splits = [official.get(place, "") for place in folders]
    notes = [f"images found in {', '.join(f'{name}/' for name in used)}"] if used else []
    return notes, [] if "" in splits or len(set(splits)) == 1 else splits


def _label_columns(raw: pd.DataFrame, columns: Columns, task: Task, path: Path) -> tuple[str, ...]:
    """The columns with labels, where labels are what is wanted; else none.

    Masks come before labels, unless the task or a label column is asked for.
    """
    if task == "segmentation":
        return ()
    if task == "auto" and not columns.label and find_column(raw, columns.mask, MASK_NAMES, path):
        return ()
    found = find_labels(raw, columns.label, path)
    if found or task == "auto":
        return found
    names = [str(name) for name in raw.columns]
    raise DataError(
        f"{path}: no column with the label; recognised are {', '.join(LABEL_NAMES)}; it has {listing(names)}."
        f"{suggest('label', names)} Name the column with --label-column."
    )


def _wanted(raw: pd.DataFrame, columns: Columns, path: Path, what: Literal["image", "mask"]) -> str:
    asked, known = (columns.image, IMAGE_NAMES) if what == "image" else (columns.mask, MASK_NAMES)
    column = find_column(raw, asked, known, path)
    if column is not None:
        return column
    names = [str(name) for name in raw.columns]
    labels = f", and none with labels, which would be {', '.join(LABEL_NAMES)}" if what == "mask" else ""
    options = "--image-column" if what == "image" else "--mask-column, or one with labels with --label-column"
    hint = f" Or give the folder, which has images/ and masks/: {path.parent}" if _masks_beside(path.parent) else ""
    raise DataError(
        f"{path}: no column with the {what} files; recognised are {', '.join(known)}{labels}; it has "
        f"{listing(names)}.{suggest(what, names)} Name the column with {options}.{hint}"
    )


def _masks_beside(folder: Path) -> list[str]:
    """A note where the folder of a table could be taken for its masks."""
    if None in (child_folder(folder, "images"), child_folder(folder, "masks")):
        return []
    return ["images/ and masks/ lie beside the table: give their folder to learn the masks"]


def _refuse_blanks(written: pd.DataFrame, column: str, what: str, path: Path) -> None:
    lines = written.index[written[column].str.strip() == ""]
    if len(lines):
        raise DataError(f"{path}: {len(lines)} rows have no {what} in column {column}: lines {listing(lines)}.")


def _refuse_doubled(base: pd.DataFrame, path: Path) -> None:
    doubled = base["image"][base["image"].duplicated()].unique()
    if len(doubled):
        raise DataError(f"{path}: images are listed more than once: {listing(doubled)}.")


def _refuse_two_labels(base: pd.DataFrame, path: Path) -> None:
    labels = base.groupby("image")["target"].unique()
    torn = [f"{image} ({', '.join(map(repr, sorted(found)))})" for image, found in labels.items() if len(found) > 1]
    if torn:
        raise DataError(f"{path}: the same file has different labels: {listing(torn)}; keep the row that is right.")


def _places(folder: Path) -> list[Path]:
    """Where the images of a table of labels in ``folder`` may lie: beside it, in images/, in ISIC's folders."""
    images = child_folder(folder, "images")
    return [folder, *([images] if images else []), *isic.image_folders(folder)]


def _resolved(values: pd.Series, places: Sequence[Path]) -> list[str]:
    """Absolute paths: of the file in the first place that has it, or where it should be in the first of all."""
    found = (next((file for place in places for file in _files(place / value)), None) for value in values)
    return [str(file or places[0] / value) for file, value in zip(found, values, strict=True)]


def _files(file: Path) -> Iterator[Path]:
    """The file if it exists; a name without an image's ending, such as an id, stands for the file of that stem."""
    if file.is_file():
        yield file
    elif file.suffix.lower() not in IMAGE_SUFFIXES:
        yield from (named for suffix in IMAGE_SUFFIXES if (named := file.with_name(file.name + suffix)).is_file())


def _name(path: Path) -> str:
    """The stem of the table, or the name of its folder where the stem says nothing of the data."""
    return path.absolute().parent.name if path.stem.casefold() in _NAMELESS else path.stem
