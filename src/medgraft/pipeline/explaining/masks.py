"""The masks that maps are compared with: the references of a segmentation, or a folder of masks for labelled images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from medgraft.data import MaskClasses
from medgraft.data.formats import Address, is_image, read_mask
from medgraft.errors import DataError, listing
from medgraft.pipeline.explaining.cases import Look
from medgraft.prediction import Array

# Where masks lie among images, what is called a mask is one before what is called as the image.
_ENDINGS = ("_mask", "_segmentation", "_Segmentation", "")


class References:
    """The references of a segmentation's images."""

    what = "the reference"

    def __init__(self, classes: MaskClasses) -> None:
        self.classes = classes

    def has(self, look: Look) -> bool:
        """Whether there is one for this image."""
        return bool(look.reference) and Address.parse(look.reference).file.is_file()

    def inside(self, look: Look, target: str) -> Array:
        """Where the structure ``target`` lies, bool [H, W]."""
        found: Array = self.classes.encode(read_mask(look.reference), look.reference)
        return np.asarray(found == self.classes.names.index(target))


class MaskFolder:
    """A folder of masks that are named as their images, such as ``a.png`` or ``a_mask.png`` for ``a.jpg``.

    Whatever is not 0 is inside. Raises DataError where the folder holds no image.
    """

    what = "the masks"

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; --masks wants a folder of masks that are named as the images.")
        self.folder = folder
        self.files = {file.stem: file for file in sorted(folder.iterdir()) if file.is_file() and is_image(file)}
        if not self.files:
            raise DataError(f"{folder} holds no masks; --masks wants a folder of masks that are named as the images.")

    def has(self, look: Look) -> bool:
        """Whether there is one for this image."""
        return self._file(look) is not None

    def inside(self, look: Look, target: str) -> Array:
        """Where the mask is not 0, bool [H, W], whatever the ``target``."""
        file = self._file(look)
        assert file is not None
        return np.asarray(read_mask(file) > 0)

    def refuse_strangers(self, looks: Iterable[Look]) -> None:
        """Raise DataError where no mask belongs to any of the images."""
        looks = list(looks)
        if not any(map(self.has, looks)):
            raise DataError(
                f"{self.folder}: none of its masks ({listing(self.files, 3)}) is named as an image "
                f"({listing([Address.parse(look.address).file.stem for look in looks], 3)})."
            )

    def _file(self, look: Look) -> Path | None:
        image = Address.parse(look.address).file
        named = (self.files.get(stem + end) for stem in (image.stem, look.id) for end in _ENDINGS)
        return next((file for file in named if file is not None and file.resolve() != image.resolve()), None)


Masks = References | MaskFolder
