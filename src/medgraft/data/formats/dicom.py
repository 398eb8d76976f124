"""DICOM as one of the formats of pictures: a file, or one of its frames, which are counted from 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data.formats.address import Address
from medgraft.data.formats.dicom_file import Header, header_of, reading
from medgraft.data.formats.dicom_kind import SUFFIXES, is_dicom
from medgraft.data.formats.dicom_pixels import stored_frame
from medgraft.data.formats.dicom_seg import marked_mask
from medgraft.data.formats.dicom_window import grey_levels
from medgraft.data.formats.raster import single_channel, with_channels
from medgraft.errors import DataError
from medgraft.window import WindowOption

Array = npt.NDArray[Any]

_GREY = ("MONOCHROME1", "MONOCHROME2")


class Dicom:
    """Files of the DICOM standard, as pydicom reads them; pixels stay as they were stored, neither turned nor flipped.

    A file is read by its name (.dcm, .dicom, .ima), or by what stands behind its preamble where the name says nothing.
    """

    suffixes: tuple[str, ...] = SUFFIXES

    def recognises(self, file: Path) -> bool:
        """See :class:`~medgraft.data.formats.reading.Format`."""
        return is_dicom(file)

    def parts(self, file: Path) -> list[str]:
        """The numbers of its frames, in digits of one length; ``[""]`` where there is one picture.

        Raises DataError where there is none, or where the pictures are masks of other files' pictures.
        """
        header = header_of(file)
        if header.segmentation:
            raise DataError(f"{file}: a DICOM segmentation, which is a mask and no image.")
        width = len(str(header.frames))
        return [str(frame).zfill(width) for frame in range(1, header.frames + 1)] if header.frames > 1 else [""]

    def read_image(self, address: Address, channels: int, at_least: int | None, window: str) -> Array:
        """Read a frame as ``[H, W, channels]``, uint8, or uint16 where more than 8 bits are stored.

        Grey levels fill the whole range (see ``dicom_window``); colours of a palette are uint8. ``at_least`` plays no
        part. Raises DataError for what cannot be read or decoded.
        """
        option = WindowOption.parse(window)
        header = header_of(address.file)
        frame = _frame(header, address)
        with reading(address.file):
            stored, photometric = stored_frame(header, frame)
            if photometric in _GREY and stored.ndim == 2:
                pixels = grey_levels(stored, header, frame, option)
            else:
                pixels = _colours(stored, photometric, header)
        return np.require(with_channels(pixels, channels), requirements=["C", "W"])

    def read_mask(self, address: Address) -> Array:
        """Read stored values as ``[H, W]``; of a segmentation, what its address asks for (see ``dicom_seg``)."""
        header = header_of(address.file)
        with reading(address.file):
            if header.segmentation:
                return marked_mask(header, address.part)
            stored, _ = stored_frame(header, _frame(header, address))
            return np.require(single_channel(stored, address.file), requirements=["C", "W"])

    def size(self, address: Address) -> tuple[int, int]:
        """Height and width, from the header alone."""
        return header_of(address.file).size


def _frame(header: Header, address: Address) -> int:
    """The frame that an address names, counted from 0."""
    if not address.part:
        if header.frames > 1:
            raise DataError(
                f"{header.file}: holds {header.frames} frames where one image is wanted; name one of them, as "
                f"{header.file.name}#1."
            )
        return 0
    if not address.part.isdecimal() or not 1 <= int(address.part) <= header.frames:
        raise DataError(f"{header.file}: has no frame {address.part}; it has {header.frames}, counted from 1.")
    return int(address.part) - 1


def _colours(stored: Array, photometric: str, header: Header) -> Array:
    """Colours [H, W, 3]: uint8 where 8 bits or fewer are stored or a palette is looked up, else uint16."""
    if photometric == "PALETTE COLOR":
        return _looked_up(stored, header)
    if photometric != "RGB" or stored.ndim != 3 or stored.shape[2] != 3:
        raise DataError(f"{header.file}: its colours ({photometric}) are not read; save it as RGB.")
    if header.bits == 8 and stored.dtype == np.uint8:
        return stored
    white, dtype = (255, np.uint8) if header.bits <= 8 else (65535, np.uint16)
    return np.rint(stored * (white / ((1 << header.bits) - 1))).astype(dtype)


def _looked_up(stored: Array, header: Header) -> Array:
    """The colours of a palette; of 16 bits, the upper 8 are what a screen shows."""
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(stored, header.elements)[..., :3]
    if colours.dtype == np.uint8:
        return colours
    if not header.syntax.is_little_endian and "RedPaletteColorLookupTableData" in header.elements:
        colours = colours.byteswap()  # pydicom takes these entries for little-endian ones
    return (colours >> 8).astype(np.uint8)


DICOM = Dicom()
