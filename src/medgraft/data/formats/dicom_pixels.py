"""From the pixels of a DICOM file to stored values: one frame, decoded, without bits that mean something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data.formats.dicom_file import Header
from medgraft.errors import DataError

Array = npt.NDArray[Any]

_EXTRA = "pip install 'medgraft[dicom]'"
_CODECS = (
    ("JPEG-LS", "pyjpegls"),
    ("JPEG 2000", "pylibjpeg and pylibjpeg-openjpeg"),
    ("High-Throughput JPEG", "pylibjpeg and pylibjpeg-openjpeg"),
    ("JPEG", "python-gdcm"),
)
"""By how the name of a transfer syntax begins, the packages that decode it."""


def stored_frame(header: Header, frame: int) -> tuple[Array, str]:
    """Decode a frame, counted from 0.

    Returns
    -------
    pixels : stored values [H, W], or colours [H, W, 3]; YBR is already RGB.
    photometric : what they are now.

    Raises
    ------
    DataError
        Where the pixels are cut short or damaged, or in a compression that nothing at hand can read.
    """
    decoder = _decoder(header)
    _refuse_short(header)
    options = dict(header.options)
    shift = _shift(header)
    if shift:
        options["bits_stored"] += shift
    try:
        with header.file.open("rb") as opened:
            source: Any = opened
            if header.start is None:
                source = _deflated(header)
            else:
                opened.seek(header.start)
            pixels, about = decoder.as_array(source, index=frame, correct_unused_bits=True, **options)
    except Exception:  # what a codec raises for damaged data is beyond listing
        raise DataError(f"{header.file}: {_undecodable(header, decoder)}.") from None
    photometric = str(about.get("photometric_interpretation", header.photometric))
    return np.right_shift(pixels, shift) if shift else pixels, photometric


def _decoder(header: Header) -> Any:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(header.syntax)
    except NotImplementedError:
        raise DataError(
            f"{header.file}: its pixels are compressed as {header.syntax.name}, which is not read; save it "
            "uncompressed or as JPEG 2000."
        ) from None
    if not decoder.is_available:
        raise DataError(
            f"{header.file}: its pixels are compressed as {header.syntax.name}; to read that, install "
            f"{_packages(header)}: {_EXTRA}"
        )
    return decoder


def _packages(header: Header) -> str:
    return next((names for start, names in _CODECS if header.syntax.name.startswith(start)), "pylibjpeg")


def _undecodable(header: Header, decoder: Any) -> str:
    if header.syntax.is_encapsulated and decoder.missing_dependencies:
        return (
            f"its pixels, compressed as {header.syntax.name}, cannot be decoded by what is installed; they are "
            f"damaged, or need {_packages(header)} ({_EXTRA})"
        )
    return "its pixels cannot be decoded, they are cut short or damaged; replace the file or take it out"


def _refuse_short(header: Header) -> None:
    """Uncompressed pixels have a length that is known beforehand."""
    options = header.options
    if header.start is None or header.syntax.is_encapsulated:
        return
    samples = int(options["samples_per_pixel"])
    bits = 2 * 8 if header.photometric == "YBR_FULL_422" else samples * int(options["bits_allocated"])
    height, width = header.size
    wanted = (header.frames * height * width * bits + 7) // 8
    there = header.file.stat().st_size - header.start
    if there < wanted:
        raise DataError(
            f"{header.file}: its pixels are cut short ({there:,} of {wanted:,} bytes are there); replace the file or "
            "take it out."
        )


def _shift(header: Header) -> int:
    """Unused bits below the lowest bit that means something (the retired HighBit above BitsStored - 1)."""
    if header.syntax.is_encapsulated or "Float" in header.options["pixel_keyword"]:
        return 0
    stored, allocated = int(header.options["bits_stored"]), int(header.options["bits_allocated"])
    highest = int(header.elements.get("HighBit") or stored - 1)
    return max(0, min(highest + 1, allocated) - stored)


def _deflated(header: Header) -> Any:
    import pydicom

    return pydicom.dcmread(header.file)
