"""A CSV that lists images and masks, or images and labels, with paths relative to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pandas as pd

from medgraft.data.exclusion import in_force, left_out
from medgraft.data.formats import IMAGE_SUFFIXES, file_of, has_image_suffix
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
from medgraft.data.layouts.label_values import labelled_rows, read_labels
from medgraft.data.layouts.matching import child_folder, unique_ids
from medgraft.data.manifest import Manifest
from medgraft.data.problems import ProblemKind, refuse
from medgraft.errors import DataError, listing, suggest

Task = Literal["auto", "segmentation", "classification"]

_NAMELESS = frozenset(("all", "data", "dataset", "images", "index", "label", "labels", "metadata", "table", "train"))


def read(path: Path, columns: Columns, task: Task, order: Sequence[str] | None) -> Manifest:
    """Read the CSV; raises DataError where a column, a value or a file is missing."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"{path}: give a folder, a CSV file, a COCO .json or an .npz file.")
    written = read_as_written(path)
    raw = stripped(written)
    image = _wanted(raw, columns, path, "image")
    labels = _label_columns(raw, columns, task, path)
    mask = "" if labels else _wanted(raw, columns, path, "mask")
    if raw.empty:
        raise DataError(f"{path}: has a header and no rows.")
    written = _not_left_out(written, image, mask, path)
    written = _without_blanks(written, image, "no image file", path)
    if labels:
        manifest = _with_labels(written, image, labels, columns, order, path)
        return manifest.with_notes(*_masks_beside(path.parent)) if task == "auto" else manifest
    written = _without_blanks(written, mask, "no mask", path)
    raw = stripped(written)
    base = pd.DataFrame({"image": _resolved(raw[image], [path.parent]), "target": _resolved(raw[mask], [path.parent])})
    raw, base = _each_once(raw, base, written.index, path)
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
    written = labelled_rows(written, label_columns, path)
    labels = read_labels(written, label_columns, order, path)
    raw = stripped(written)
    base = pd.DataFrame({"image": _resolved(raw[image], _places(path.parent)), "target": labels.targets})
    torn = _refuse_two_labels(base, path)
    raw, base = _each_once(raw, base, written.index, path, torn)
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


def _not_left_out(written: pd.DataFrame, image: str, mask: str, path: Path) -> pd.DataFrame:
    """The rows that no list in force leaves out, by their image, their mask or their line."""
    if not in_force():
        return written
    lines = [f"{path.name}:{line}" for line in written.index]
    names = [_resolved(written[image].str.strip(), _places(path.parent)), lines]
    if mask:
        names.append(_resolved(written[mask].str.strip(), [path.parent]))
    kept = [not left_out(*row) for row in zip(*names, strict=True)]
    if not any(kept):
        raise DataError(f"{path}: every row is on the list of images to exclude.")
    return written[kept]


def _without_blanks(written: pd.DataFrame, column: str, kind: ProblemKind, path: Path) -> pd.DataFrame:
    """The rows with a value in ``column``; the others are refused."""
    blank = written[column].str.strip() == ""
    lines = written.index[blank]
    if len(lines):
        what = "mask" if kind == "no mask" else "image"
        sentence = f"{path}: {len(lines)} rows have no {what} in column {column}: lines {listing(lines)}."
        refuse(kind, sentence, (f"{path.name}:{line}" for line in lines))
    return written[~blank]


def _each_once(
    raw: pd.DataFrame, base: pd.DataFrame, lines: pd.Index[int], path: Path, refused: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with the first row of each image; further ones are refused, but for images that were already."""
    further = base["image"].duplicated()
    again = further & ~base["image"].isin(refused)
    if again.any():
        doubled = base["image"][again].unique()
        sentence = f"{path}: images are listed more than once: {listing(doubled)}."
        refuse("listed twice", sentence, (f"{path.name}:{line}" for line in lines[again.to_numpy()]))
    return raw[~further].reset_index(drop=True), base[~further].reset_index(drop=True)


def _refuse_two_labels(base: pd.DataFrame, path: Path) -> list[str]:
    """Images that have different labels, which are refused."""
    labels = base.groupby("image")["target"].unique()
    torn = {str(image): sorted(found) for image, found in labels.items() if len(found) > 1}
    if torn:
        said = listing(f"{image} ({', '.join(map(repr, found))})" for image, found in torn.items())
        refuse("two labels", f"{path}: the same file has different labels: {said}; keep the row that is right.", torn)
    return list(torn)


def _places(folder: Path) -> list[Path]:
    """Where the images of a table of labels in ``folder`` may lie: beside it, in images/, in ISIC's folders."""
    images = child_folder(folder, "images")
    return [folder, *([images] if images else []), *isic.image_folders(folder)]


def _resolved(values: pd.Series, places: Sequence[Path]) -> list[str]:
    """Absolute paths: of the file in the first place that has it, or where it should be in the first of all."""
    found = (next((file for place in places for file in _files(place / value)), None) for value in values)
    return [str(file or places[0] / value) for file, value in zip(found, values, strict=True)]


def _files(file: Path) -> Iterator[Path]:
    """The file if it exists; a name without an image's ending, such as an id, stands for the file of that stem.

    An accent may be a part of its letter in the table (NFC) and a sign of its own on the disk (NFD), or the other way.
    """
    for spelling in dict.fromkeys((str(file), normalize("NFC", str(file)), normalize("NFD", str(file)))):
        named = Path(spelling)
        if file_of(named).is_file():
            yield named
        elif not has_image_suffix(named):
            further = (named.with_name(named.name + suffix) for suffix in IMAGE_SUFFIXES)
            yield from (found for found in further if found.is_file())


def _name(path: Path) -> str:
    """The stem of the table, or the name of its folder where the stem says nothing of the data."""
    return path.absolute().parent.name if path.stem.casefold() in _NAMELESS else path.stem
