"""Files that hold several pictures: a row for each slice of a volume, each page of a stack, each frame.

This comes after every layout: there a file is one row, whatever it holds. The pictures of one file belong together, so
they are a group, unless the data names the patients itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medgraft.data.formats import AXES, SIGN, Address, Axis, file_of, is_volume, parts_of, refuse_apart
from medgraft.data.layouts.matching import unique_ids
from medgraft.data.manifest import Manifest
from medgraft.data.problems import refuse
from medgraft.errors import DataError, RecipeError


class _Picture(NamedTuple):
    """One row to be: the part is empty where the row stays as it was."""

    image: str
    target: str
    part: str


def expanded(manifest: Manifest, axis: Axis) -> Manifest:
    """The manifest with a row for each picture of the files that hold several; others keep their row.

    Ids become ``scan-axial-017``. Without a column ``group``, the pictures of a file are a group. A row that names one
    picture (``scan.nii.gz#axial-17``) is left as it is, and so is a file that cannot be opened, which is an error where
    it is decoded.

    Raises
    ------
    DataError
        Where a volume and its mask are not of the same voxels, or another file of several pictures and its mask not
        of the same number of them.
    """
    if axis not in AXES:
        raise RecipeError(f"axis: {axis!r} is none of {', '.join(AXES)}.")
    table, masked = manifest.table, manifest.classes is None
    rows = zip(table["image"], table["target"], strict=True)
    found = [_pictures(image, target, masked, axis) for image, target in rows]
    pictures = [picture for row in found for picture in row]
    files = [file_of(picture.image) for picture in pictures]
    if all(str(file) == picture.image for file, picture in zip(files, pictures, strict=True)) and all(found):
        return manifest
    positions = np.repeat(np.arange(len(table)), [len(row) for row in found])
    grown = table.iloc[positions].reset_index(drop=True)
    grown["image"] = [picture.image for picture in pictures]
    grown["target"] = [picture.target for picture in pictures]
    names = zip(grown["id"], pictures, strict=True)
    grown["id"] = [f"{name}-{picture.part}" if picture.part else name for name, picture in names]
    said = _said(found, axis)
    if not manifest.has_groups:
        ids = dict(zip(dict.fromkeys(files), unique_ids(map(str, dict.fromkeys(files))), strict=True))
        grown["group"] = [ids[file] for file in files]
        said.append("no patient is named, so the pictures of one file are a group")
    return replace(manifest, table=grown, notes=(*manifest.notes, *said))


def _pictures(image: str, target: str, masked: bool, axis: Axis) -> list[_Picture]:
    """The rows that one becomes; none where it is refused."""
    place = Address.parse(image)
    alone = [_Picture(image, target, "")]
    if place.part:
        return alone
    try:
        addresses = parts_of(place.file, axis)
    except DataError:
        return alone
    if addresses == [str(place.file)]:
        return alone
    parts = [address.removeprefix(f"{place.file}{SIGN}") for address in addresses]
    if not masked:
        return [_Picture(address, target, part) for address, part in zip(addresses, parts, strict=True)]
    problem = _problem(place.file, Address.parse(target), parts, axis)
    if problem:
        refuse("masks elsewhere", problem, [image])
        return []
    masks = [str(Address(Path(target), part)) for part in parts]
    return [_Picture(*row) for row in zip(addresses, masks, parts, strict=True)]


def _problem(image: Path, mask: Address, parts: list[str], axis: Axis) -> str:
    """Why a mask cannot be that of a file of several pictures; empty where it can, or cannot even be opened."""
    if mask.part:
        return f"{image} holds {len(parts)} pictures and its mask {mask} is one; name one of the image's, or all masks."
    try:
        names = [address.removeprefix(f"{mask.file}{SIGN}") for address in parts_of(mask.file, axis)]
        if is_volume(image) and is_volume(mask.file):
            refuse_apart(image, mask.file)
            return ""
    except DataError as error:
        return str(error)
    if len(names) != len(parts):
        return (
            f"{image} holds {len(parts)} pictures and its mask {mask.file} holds {len(names)}; a mask must have a "
            "picture for each of its image's, so complete it or take the pair out."
        )
    return "" if names == parts else f"{image} and its mask {mask.file} are files of different kinds; save both alike."


def _said(found: list[list[_Picture]], axis: Axis) -> list[str]:
    """How many files became how many pictures."""
    several = [row for row in found if row and row[0].part]
    volumes = [row for row in several if is_volume(file_of(row[0].image))]
    stacks = len(several) - len(volumes)
    slices = sum(map(len, volumes))
    images = sum(map(len, several)) - slices
    notes = []
    if volumes:
        notes.append(f"{len(volumes)} volume{'s' * (len(volumes) > 1)} read as {slices:,} {axis} slices")
    if stacks:
        notes.append(f"{stacks} file{'s' * (stacks > 1)} of several pages or frames read as {images:,} images")
    return notes
