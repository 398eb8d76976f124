"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz), by nibabel."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.data.formats.volume import Array, Space, Volume
from medgraft.data.formats.volume_checks import (
    DEFLATE,
    PLAIN,
    check_claim,
    check_numbers,
    check_shape,
    in_native_order,
    reading,
    three_dimensions,
)
from medgraft.errors import DataError

ENDINGS = (".nii", ".nii.gz")

_TAIL, _CHUNK = 64, 1 << 20


def read_space(file: Path) -> Space:
    """Where the voxels lie; raises DataError where the header cannot be read or is of no volume."""
    with reading(file, "NIfTI"):
        image = _header(file)
        shape = check_shape(three_dimensions(image.shape, 3), image.shape, file, _ADVICE)
        dtype = np.dtype(image.dataobj.dtype)
        nbytes = math.prod(int(n) for n in image.shape) * dtype.itemsize
        check_claim(file, nbytes, DEFLATE if file.suffix.lower() == ".gz" else PLAIN)
        return Space(file, shape, np.asarray(image.affine, np.float64), nbytes, dtype.names is not None)


def read_volume(file: Path) -> Volume:
    """All voxels as stored; raises DataError where they cannot be read, are no numbers, or are not there."""
    from nibabel.volumeutils import array_from_file

    space = read_space(file)
    with reading(file, "NIfTI"):
        proxy = _header(file).dataobj
        dtype = np.dtype(proxy.dtype)
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            voxels = array_from_file(proxy.shape, dtype, stream, proxy.offset, mmap=False)
            # gzip compares the checksum of what was read only once it has come to its end.
            for _ in range(_TAIL):
                if not stream.read(_CHUNK):
                    break
        slope, intercept = float(proxy.slope), float(proxy.inter)
    voxels = _colours(voxels.reshape(space.shape), file)
    check_numbers(voxels, file)
    return Volume(space, in_native_order(voxels), slope, intercept)


_ADVICE = "save the one you mean by nibabel, as load(file).slicer[..., 0].to_filename(new)"


def _header(file: Path) -> Any:
    import nibabel

    image = nibabel.load(file, mmap=False)
    if not isinstance(image, nibabel.Nifti1Image):
        raise DataError(f"{file}: is no NIfTI file, though its name says so; save it as NIfTI by nibabel.")
    return image


def _colours(voxels: Array, file: Path) -> Array:
    """Colour is stored as bytes R, G and B of one voxel."""
    if voxels.dtype.names is None:
        return voxels
    if voxels.dtype.names[:3] != ("R", "G", "B"):
        raise DataError(f"{file}: its voxels are of the unknown type {voxels.dtype}; save it as numbers.")
    return np.stack([voxels[name] for name in "RGB"], axis=-1)
