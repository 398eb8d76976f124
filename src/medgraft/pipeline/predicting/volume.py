"""Masks of a volume's slices, put together again as NIfTI: the same voxels in the same places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medgraft.data.formats import Address, space_of
from medgraft.data.formats.spacing import unit_of
from medgraft.data.formats.volume import Volume
from medgraft.files import replacing
from medgraft.prediction import Array

_UNITS = {None: "unknown", 0.001: "micron", 1.0: "mm", 1000.0: "meter"}
"""What NIfTI calls units of so many mm."""


def save_volume(path: Path, addresses: Sequence[str], masks: Sequence[Array]) -> None:
    """Write the masks [H, W] of all slices of one volume to a ``.nii.gz`` with the volume's shape, affine and unit.

    A unit that NIfTI does not have (cm) becomes mm.
    """
    import nibabel

    space = space_of(Address.parse(addresses[0]).file)
    voxels = np.zeros(space.shape, np.result_type(*masks))
    volume = Volume(space, voxels)
    for address, mask in zip(addresses, masks, strict=True):
        # A plane is a view of the voxels, so this is how a slice goes back to where it was taken from.
        volume.plane(Address.parse(address).part)[...] = mask
    unit = unit_of(space.file)
    named = _UNITS.get(unit)
    image = nibabel.Nifti1Image(voxels, space.affine if named else np.diag([unit, unit, unit, 1]) @ space.affine)
    image.header.set_xyzt_units(named or "mm")
    with replacing(path) as temporary:
        # nibabel chooses by the whole ending, of which a temporary name keeps the last part alone.
        whole = temporary.with_name(f"{temporary.stem}.nii.gz")
        image.to_filename(whole)
        whole.replace(temporary)
