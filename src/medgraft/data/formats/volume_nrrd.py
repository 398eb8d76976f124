"""NRRD files (.nrrd, and .nhdr with its data beside it), by pynrrd.

Where a file names no space, its axes are taken to point to the patient's left, back and head, as ITK takes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.data.formats.volume import Array, Space, Volume
from medgraft.data.formats.volume_checks import (
    BZIP2,
    DEFLATE,
    PLAIN,
    check_claim,
    check_numbers,
    check_shape,
    in_native_order,
    reading,
)
from medgraft.errors import DataError

DETACHED = ".nhdr"
ENDINGS = (".nrrd", DETACHED)

_LETTERS = {"left": "L", "right": "R", "posterior": "P", "anterior": "A", "inferior": "I", "superior": "S"}
_AXIS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
_TYPES = {
    1: {"signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"},
    2: {"short", "short int", "signed short", "signed short int", "int16", "int16_t", "ushort", "unsigned short",
        "unsigned short int", "uint16", "uint16_t"},
    4: {"int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"},
    8: {"longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t",
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"},
}  # fmt: skip
_TIGHTEST = {"raw": PLAIN, "bzip2": BZIP2, "bz2": BZIP2}  # of other encodings DEFLATE
_COLOURS = ("RGB-color", "3-color", "vector", "3-vector")
_ADVICE = "save one of its volumes by itself"


def read_space(file: Path) -> Space:
    """Where the voxels lie; raises DataError where the header cannot be read or is of no volume."""
    with reading(file, "NRRD"):
        return _space(file, _header(file))


def read_volume(file: Path) -> Volume:
    """All voxels as stored; raises DataError where they cannot be read, are no numbers, or are not there."""
    import nrrd

    with reading(file, "NRRD"):
        header = _header(file)
        space, places = _space(file, header), _spatial(header)
        voxels, _ = nrrd.read(str(file))
        further = [axis for axis in range(voxels.ndim) if axis not in places]
        voxels = np.moveaxis(voxels, further, range(3, voxels.ndim))
        voxels = voxels if space.coloured else voxels.reshape(space.shape)
    check_numbers(voxels, file)
    return Volume(space, in_native_order(np.asarray(voxels)))


def sources_of(file: Path) -> list[Path]:
    """A header and the file of voxels that it names; the header alone where that cannot be told."""
    try:
        with reading(file, "NRRD"):
            header = _header(file)
    except DataError:
        return [file]
    held = _held(file, header)
    return [file] if held in (file, None) else [file, held]


def _held(file: Path, header: Mapping[str, Any]) -> Path | None:
    """The file with the voxels; None where the header names none that is there."""
    named = str(header.get("data file", header.get("datafile", ""))).strip()
    beside = file.parent / named
    if not named:
        return file
    return beside if beside.is_file() else None


def _header(file: Path) -> Mapping[str, Any]:
    import nrrd

    header: Mapping[str, Any] = nrrd.read_header(str(file))
    if "sizes" not in header or "type" not in header:
        raise ValueError("its header says no sizes or no type")
    return header


def _itemsize(header: Mapping[str, Any]) -> int:
    """Bytes of a voxel; raises ValueError for a type that is none of numbers."""
    name = str(header["type"]).strip()
    found = [size for size, names in _TYPES.items() if name in names]
    if not found:
        raise ValueError(f"its type {name!r} is not read")
    return found[0]


def _space(file: Path, header: Mapping[str, Any]) -> Space:
    sizes = [int(n) for n in header["sizes"]]
    places = _spatial(header)
    further = [(axis, n) for axis, n in enumerate(sizes) if axis not in places and n != 1]
    coloured = len(further) == 1 and further[0][1] == 3 and _kinds(header)[further[0][0]] in _COLOURS
    fits = len(places) == 3 and (not further or (coloured and _itemsize(header) == 1))
    shape = check_shape([sizes[axis] for axis in places] if fits else [], sizes, file, _ADVICE)
    nbytes = math.prod(sizes) * _itemsize(header)
    held = _held(file, header)
    if held is not None:
        check_claim(file, nbytes, _TIGHTEST.get(str(header.get("encoding")), DEFLATE), held)
    return Space(file, shape, _affine(header, places, file), nbytes, coloured)


def _kinds(header: Mapping[str, Any]) -> list[str]:
    return [str(kind) for kind in header.get("kinds", [])] or ["???"] * len(header["sizes"])


def _spatial(header: Mapping[str, Any]) -> list[int]:
    """The axes that lie in space: those with a direction, else those whose kind says so, else the only three."""
    sizes = header["sizes"]
    directions = header.get("space directions")
    if directions is not None:
        return [axis for axis, vector in enumerate(directions) if vector is not None and np.isfinite(vector).all()]
    named = [axis for axis, kind in enumerate(_kinds(header)) if kind in ("domain", "space")]
    return named if len(named) == 3 else list(range(len(sizes))) if len(sizes) == 3 else []


def _affine(header: Mapping[str, Any], places: list[int], file: Path) -> Array:
    """From voxel numbers to mm towards right, front and head."""
    affine = np.eye(4)
    directions = header.get("space directions")
    if directions is not None:
        affine[:3, :3] = np.array([directions[axis] for axis in places], np.float64).T
    elif "spacings" in header:
        spacings = np.array([header["spacings"][axis] for axis in places], np.float64)
        affine[:3, :3] = np.diag(np.where(np.isfinite(spacings) & (spacings > 0), spacings, 1.0))
    if "space origin" in header:
        affine[:3, 3] = np.asarray(header["space origin"], np.float64)
    return _to_ras(str(header.get("space", "left-posterior-superior")), file) @ affine


def _to_ras(space: str, file: Path) -> Array:
    """[4, 4] from the axes of the named space to right, front, head."""
    words = space.lower().split("-")
    letters = "".join(_LETTERS.get(word, "") for word in words) if len(words) > 1 else space.upper()
    if len(letters) != 3 or {_AXIS.get(letter, (9, 0))[0] for letter in letters} != {0, 1, 2}:
        raise DataError(
            f"{file}: its space {space!r} does not say where the patient's left, back and head are; save it in the "
            "space left-posterior-superior or right-anterior-superior."
        )
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for column, letter in enumerate(letters):
        axis, way = _AXIS[letter]
        turn[axis, column] = way
    return turn
