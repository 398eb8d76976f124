"""One way to read any picture: by its address, whatever the format of the file that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from medgraft.data.formats import raster, volume_nrrd
from medgraft.data.formats.address import Address, ending_of
from medgraft.data.formats.dicom import DICOM
from medgraft.data.formats.volume import Axis
from medgraft.data.formats.volumes import VolumeFormat, slices
from medgraft.window import AUTO

Array = npt.NDArray[Any]


class Format(Protocol):
    """A family of file formats. What goes wrong is a DataError that names the file."""

    suffixes: tuple[str, ...]

    def recognises(self, file: Path) -> bool:
        """Whether the file is of this family: by its name, or where that says nothing by its first bytes."""

    def parts(self, file: Path) -> list[str]:
        """The pictures in the file, as :class:`Address` names them; ``[""]`` where it holds a single one."""

    def read_image(self, address: Address, channels: int, at_least: int | None, window: str) -> Array:
        """See :func:`read_image`."""

    def read_mask(self, address: Address) -> Array:
        """See :func:`read_mask`."""

    def size(self, address: Address) -> tuple[int, int]:
        """See :func:`image_size`."""


class _Raster:
    """PNG, JPEG, TIFF and their like: what every other format leaves."""

    suffixes = raster.IMAGE_SUFFIXES

    def recognises(self, file: Path) -> bool:
        return True

    def parts(self, file: Path) -> list[str]:
        return raster.pages(file)

    def read_image(self, address: Address, channels: int, at_least: int | None, window: str) -> Array:
        return raster.read_image(address.file, channels, at_least, address.part)

    def read_mask(self, address: Address) -> Array:
        return raster.read_mask(address.file, address.part)

    def size(self, address: Address) -> tuple[int, int]:
        return raster.image_size(address.file, address.part)


FORMATS: tuple[Format, ...] = (DICOM, VolumeFormat(), _Raster())
"""Asked in this order; the last one takes what is left."""


def read_image(address: str | Path, channels: int = 3, at_least: int | None = None, window: str = AUTO) -> Array:
    """Read a picture as ``[H, W, channels]``, uint8, or uint16 where the file has more than 8 bits a channel.

    Parameters
    ----------
    address : a file, or ``file#part`` for one picture of a file that holds several.
    channels : 3 repeats grey images as RGB; 1 takes the luminance (ITU-R BT.601) of colour images.
    at_least : a reader may decode at a smaller scale as long as the short side keeps this many pixels.
    window : which values become black and white where a file holds measured ones (see the option ``window``).

    Raises
    ------
    DataError
        When the file is missing or damaged, holds no picture, or several and the address names none.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    place = Address.parse(address)
    return format_of(place.file).read_image(place, channels, at_least, window)


def read_mask(address: str | Path) -> Array:
    """Read a mask as ``[H, W]`` integers, exactly as stored; raises DataError where that cannot be done."""
    place = Address.parse(address)
    return format_of(place.file).read_mask(place)


def image_size(address: str | Path) -> tuple[int, int]:
    """Return ``(height, width)`` as shown, from the header alone; raises DataError where there is none."""
    place = Address.parse(address)
    return format_of(place.file).size(place)


def parts_of(file: str | Path, axis: Axis = "axial") -> list[str]:
    """Addresses of all pictures in a file, of a volume its slices along ``axis``; DataError where it cannot be read."""
    file = Path(file)
    family = format_of(file)
    parts = slices(file, axis) if isinstance(family, VolumeFormat) else family.parts(file)
    return [str(Address(file, part)) for part in parts]


def sources_of(file: Path) -> list[Path]:
    """The files that a picture's pixels are read from: its own, and the one that a detached header names."""
    return volume_nrrd.sources_of(file) if ending_of(file) == volume_nrrd.DETACHED else [file]


def format_of(file: Path) -> Format:
    """The family that reads this file."""
    return next(found for found in FORMATS if found.recognises(file))


IMAGE_SUFFIXES: tuple[str, ...] = tuple(dict.fromkeys(suffix for family in FORMATS[::-1] for suffix in family.suffixes))
"""What the names of image files end in."""


def is_windowed(address: str | Path) -> bool:
    """Whether a picture's grey levels come from measured values by a window, and are no levels of the file's own."""
    return format_of(Address.parse(address).file) is not FORMATS[-1]


def has_image_suffix(file: Path) -> bool:
    """Whether the name of a file ends as that of an image does, in any case."""
    return ending_of(file) in IMAGE_SUFFIXES


def is_image(file: Path) -> bool:
    """Whether a file is an image: by its name, or where that says nothing by its first bytes."""
    return has_image_suffix(file) or any(family.recognises(file) for family in FORMATS[:-1])
