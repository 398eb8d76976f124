"""The layout images/ + masks/, with an optional table of metadata beside them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medgraft.data.formats import Address, ending_of, stem_of
from medgraft.data.layouts.columns import IMAGE_NAMES, Columns, add_user_columns, read_table
from medgraft.data.layouts.matching import child_folder, list_images, match_masks, unique_ids
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

_ID_NAMES = (*IMAGE_NAMES, "id", "isic_id", "name")


def recognises(root: Path) -> bool:
    """Whether the folder has images/ and masks/ (in any case)."""
    return None not in (child_folder(root, "images"), child_folder(root, "masks"))


def read(root: Path, columns: Columns) -> Manifest:
    """Read images/ and masks/; raises DataError where they do not match."""
    image_root, mask_root = child_folder(root, "images"), child_folder(root, "masks")
    if image_root is None or mask_root is None:
        raise DataError(f"{root}: holds no images/ and masks/.")
    base = match_masks(list_images(image_root), list_images(mask_root), image_root, mask_root)
    base.insert(0, "id", unique_ids(base["image"]))
    note = f"{image_root.name}/ and {mask_root.name}/: {len(base)} images with masks"
    table, notes = join_metadata(base, root, columns)
    return Manifest(table, root, root.resolve().name, (note, *notes))


def join_metadata(base: pd.DataFrame, root: Path, columns: Columns) -> tuple[pd.DataFrame, list[str]]:
    """Add the columns of the CSV in ``root`` that names most of the images, if there is one.

    Raises DataError where a column was asked for and no CSV names the images.
    """
    best: tuple[int, Path, str, pd.DataFrame] | None = None
    for path in sorted(root.glob("*.csv")):
        raw = read_table(path)
        for column in raw.columns:
            if str(column).casefold().replace(" ", "_") not in _ID_NAMES:
                continue
            rows = _rows_of(base, raw[column])
            hits = int(rows.notna().sum())
            if hits and (best is None or hits > best[0]):
                best = (hits, path, str(column), raw.assign(_row=rows))
    asked = columns.group or columns.split
    if best is None:
        if asked:
            raise DataError(f"{root}: there is no CSV beside the folders that could hold the column {asked!r}.")
        return base, []
    hits, path, column, raw = best
    matched = raw[raw["_row"].notna()]
    if matched["_row"].duplicated().any():
        if asked:
            raise DataError(f"{path}: has several rows for an image, so its column {asked!r} cannot be used.")
        return base, [f"{path.name}: has several rows for an image, so it was not read"]
    aligned = matched.set_index("_row").reindex(base.index).fillna("")
    table, notes = add_user_columns(base, aligned, columns, path)
    return table, [f"{path.name}: joined by {column} to {hits} of {len(base)} images", *notes]


def _rows_of(base: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Position in ``base`` of the image that each value names (id, stem or file name); NaN where none."""
    paths = [Address.parse(image).file for image in base["image"]]
    position: dict[str, int] = {}
    clashing: set[str] = set()
    for row, (name, path) in enumerate(zip(base["id"], paths, strict=True)):
        for key in {str(name), f"{name}{ending_of(path)}", stem_of(path), path.name}:
            if position.setdefault(key, row) != row:
                clashing.add(key)
    for key in clashing:
        del position[key]
    tails = values.str.replace("\\", "/").str.rpartition("/")[2]
    return values.map(position).fillna(tails.map(position))
