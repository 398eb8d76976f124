"""What kind of images a data set holds, as far as a few of them show."""

from __future__ import annotations

import numpy as np

from medgraft.data.formats import file_of, is_volume, read_image, space_of
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

LOOKED_AT = 16
_SIDE = 64


def all_grey(manifest: Manifest) -> bool:
    """Whether the images are grey, told by 16 of them, spread evenly; one that cannot be read is passed over."""
    places = np.unique(np.linspace(0, len(manifest) - 1, LOOKED_AT).round().astype(int))
    return all(_is_grey(manifest.table["image"].iloc[place]) for place in places)


def _is_grey(address: str) -> bool:
    file = file_of(address)
    try:
        if is_volume(file):  # its header tells, and sixteen volumes would take long to unpack
            return not space_of(file).coloured
        pixels = read_image(address, channels=3, at_least=_SIDE)
    except DataError:
        return True
    return bool((pixels == pixels[..., :1]).all())
