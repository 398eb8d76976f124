"""Masks of a volume's slices, put together again as NIfTI: the same voxels in the same places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medgraft.data.formats import Address, space_of
from medgraft.data.formats.volume import Volume
from medgraft.files import replacing
from medgraft.prediction import Array


def save_volume(path: Path, addresses: Sequence[str], masks: Sequence[Array]) -> None:
    """Write the masks [H, W] of all slices of one volume to a ``.nii.gz`` with the volume's shape and affine."""
    import nibabel

    space = space_of(Address.parse(addresses[0]).file)
    voxels = np.zeros(space.shape, np.result_type(*masks))
    volume = Volume(space, voxels)
    for address, mask in zip(addresses, masks, strict=True):
        # A plane is a view of the voxels, so this is how a slice goes back to where it was taken from.
        volume.plane(Address.parse(address).part)[...] = mask
    image = nibabel.Nifti1Image(voxels, space.affine)
    image.header.set_xyzt_units("mm")
    with replacing(path) as temporary:
        # nibabel chooses by the whole ending, of which a temporary name keeps the last part alone.
        whole = temporary.with_name(f"{temporary.stem}.nii.gz")
        image.to_filename(whole)
        whole.replace(temporary)
