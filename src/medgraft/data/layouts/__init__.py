"""Layouts: the ways in which people keep images and masks, each read into a Manifest."""

from __future__ import annotations

from pathlib import Path

from medgraft.data.layouts import folders, isic, tables
from medgraft.data.layouts.columns import Columns
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError, listing

__all__ = ["open_data"]

_UNDERSTOOD = (
    "What is understood: a folder with images/ and masks/ (a mask has its image's name, or that followed by "
    "_Segmentation, _segmentation, _mask or -mask); the folders of an ISIC challenge, unpacked side by side; "
    "a CSV with the columns image and mask."
)


def open_data(
    path: str | Path,
    *,
    image_column: str | None = None,
    mask_column: str | None = None,
    group: str | None = None,
    split_column: str | None = None,
) -> Manifest:
    """Read a data set of images and masks, in whatever layout is understood.

    Layouts: a folder with ``images/`` and ``masks/``; the folders of the ISIC challenges of 2016, 2017
    (part 1) and 2018 (task 1); a CSV whose paths are relative to it. A CSV beside the folders is joined by
    file name. What was recognised is in the ``notes`` of the result.

    Parameters
    ----------
    path : a folder or a CSV file.
    image_column, mask_column : columns of a CSV (default: file, filename, path, image or image_id; mask).
    group : column with the patient (default: patient, patient_id or group).
    split_column : column with train, val or test (default: split, fold or set).

    Raises
    ------
    DataError
        When the layout is not understood, an image has no mask or a mask no image, a column is missing, a
        group is in two splits, or there are fewer than two images.
    """
    path = Path(path).expanduser().absolute()
    columns = Columns(image_column, mask_column, group, split_column)
    if path.is_file():
        manifest = tables.read(path, columns)
    elif path.is_dir():
        manifest = _open_folder(path, columns)
    else:
        raise DataError(f"{path}: no such folder or file.")
    if len(manifest) < 2:
        raise DataError(
            f"{path}: there is one image in all ({manifest.table['image'][0]}); "
            "one to learn from and one to test on are the least, and fifty or more make sense."
        )
    return manifest


def _open_folder(path: Path, columns: Columns) -> Manifest:
    if isic.recognises(path):
        return isic.read(path, columns)
    if folders.recognises(path):
        return folders.read(path, columns)
    found = sorted(child.name + ("/" if child.is_dir() else "") for child in path.iterdir())
    if not found:
        raise DataError(f"{path}: the folder is empty. {_UNDERSTOOD}")
    csv = [name for name in found if name.lower().endswith(".csv")]
    hint = f" If {csv[0]} lists images and masks, give that file: {path / csv[0]}" if csv else ""
    raise DataError(f"{path}: no layout that is understood; it holds {listing(found)}. {_UNDERSTOOD}{hint}")
