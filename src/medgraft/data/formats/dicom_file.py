"""DICOM files: what the header says of their pictures. Nothing here quotes a header to the user."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from medgraft.data.formats.dicom_kind import LABEL_MAP, SEGMENTATION, SUFFIXES, has_mark
from medgraft.data.formats.raster import MOST_PIXELS, TOO_LARGE
from medgraft.errors import DataError, MedgraftError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

_UNKNOWN_LENGTH = 0xFFFFFFFF
_PIXELS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}

_COLOURS = ("Red", "Green", "Blue", "Alpha")
_IMAGE_ELEMENTS = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "VOILUTFunction"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "MaximumFractionalValue"),
    *(f"{colour}PaletteColorLookupTable{what}" for colour in _COLOURS for what in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in _COLOURS),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "SOPClassUID"),
)
"""All that is said of pixels and their meaning, and nothing of patients."""

_READING: ContextVar[bool] = ContextVar("reading", default=False)


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of its pictures before the first pixel.

    Attributes
    ----------
    file : the file.
    kind : the UID of what it is (its SOP class); empty where it does not say.
    elements : its image elements; patients are not among them. To be looked at within :func:`reading`.
    syntax : how its pixels are encoded.
    start : where in the file the value of the pixels begins; None where that is not a place in the file (deflated).
    options : what a decoder of pydicom wants to know.
    """

    file: Path
    kind: str
    elements: Dataset = field(repr=False)
    syntax: UID
    start: int | None
    options: dict[str, Any] = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.options["rows"]), int(self.options["columns"])

    @property
    def frames(self) -> int:
        """How many pictures it holds."""
        return int(self.options["number_of_frames"])

    @property
    def bits(self) -> int:
        """Bits of a stored value that mean something; 64 for floating-point values."""
        return 64 if "Float" in self.options["pixel_keyword"] else int(self.options["bits_stored"])

    @property
    def signed(self) -> bool:
        """Whether stored values may be negative."""
        return bool(self.options.get("pixel_representation", 0))

    @property
    def photometric(self) -> str:
        """What stored values are: grey levels, indices of a palette, or colours."""
        return str(self.options["photometric_interpretation"])

    @property
    def segmentation(self) -> bool:
        """Whether its pictures are masks of other files' pictures."""
        return self.kind in (SEGMENTATION, LABEL_MAP)

    def functional(self, frame: int, macro: str) -> Dataset | None:
        """The item of a functional group of a frame (from 0), its own or the one that all share; None without it."""
        own = self.elements.get("PerFrameFunctionalGroupsSequence")
        shared = self.elements.get("SharedFunctionalGroupsSequence")
        for group in (own[frame] if own and frame < len(own) else None, shared[0] if shared else None):
            if group is not None and group.get(macro):
                item: Dataset = group[macro].value[0]
                return item
        return None


def header_of(file: Path) -> Header:
    """Read the header of a file with pictures; raises DataError where it cannot be read or has none."""
    with reading(file):
        status = file.stat()
        return _header(file, status.st_size, status.st_mtime_ns)


def elements_of(file: Path, tags: list[Any] | None = None) -> Dataset:
    """Read the elements ``tags`` (default: all), never the pixels; raises DataError where that cannot be done."""
    with reading(file), file.open("rb") as opened:
        return _elements(opened, file, tags)


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one DataError that quotes nothing of the file."""
    _silence()
    token = _READING.set(True)
    try:
        yield
    except MedgraftError:
        raise
    except FileNotFoundError:
        raise DataError(f"{file}: no such file.") from None
    except OSError as error:
        reason = error.strerror or "the file ends in the middle"
        raise DataError(f"{file}: cannot be opened ({reason}); replace the file or take it out.") from None
    # A damaged file makes pydicom raise nearly anything, and its words may hold values of the header.
    except Exception as error:
        kind = type(error).__name__
        raise DataError(
            f"{file}: cannot be read as DICOM, it is damaged or of an unknown kind ({kind}); replace the file or take "
            "it out."
        ) from None
    finally:
        _READING.reset(token)


@lru_cache(maxsize=64)
def _header(file: Path, size: int, changed: int) -> Header:
    """``size`` and ``changed`` tell files of one name apart."""
    from pydicom.pixels.utils import as_pixel_options
    from pydicom.uid import UID

    with file.open("rb") as opened:
        elements = _elements(opened, file, _image_tags())
        syntax, said = _syntax(elements)
        if not syntax.is_transfer_syntax or syntax.is_private:
            raise DataError(
                f"{file}: its pixels are encoded in a way of its maker's own (a private transfer syntax), which is not "
                "read; save it uncompressed."
            )
        pixels = _deflated_pixels(file) if syntax.is_deflated else _pixel_element(opened, syntax)
    kind = str(elements.get("SOPClassUID") or "")
    if pixels is None or not elements.get("Rows") or not elements.get("Columns"):
        named = f"{UID(kind).name}, which" if UID(kind).name != kind else "DICOM, and"
        raise DataError(f"{file}: {named} holds no picture; take the file out.")
    if pixels.compressed and not said:
        raise DataError(
            f"{file}: does not say how its pixels are compressed (its transfer syntax is missing); save it anew."
        )
    options = as_pixel_options(elements) | {"transfer_syntax_uid": syntax, "pixel_keyword": pixels.keyword}
    if pixels.representation:
        options["pixel_vr"] = pixels.representation
    header = Header(file, kind, elements, syntax, pixels.start, options)
    if math.prod(header.size) > MOST_PIXELS:
        raise DataError(f"{file}: {TOO_LARGE}.")
    if not syntax.is_deflated and header.frames > size:
        raise DataError(
            f"{file}: its header claims {header.frames:,} frames, and the file has {size:,} bytes, which cannot hold "
            "them; replace the file or take it out."
        )
    return header


@dataclass(frozen=True)
class _Pixels:
    """The element with the pixels: its name, where its value begins, its VR where written, whether it is in pieces."""

    keyword: str
    start: int | None
    representation: str
    compressed: bool


def _elements(opened: IO[bytes], file: Path, tags: list[Any] | None) -> Dataset:
    import pydicom
    from pydicom.errors import InvalidDicomError

    if file.stat().st_size == 0:
        raise DataError(f"{file}: the file is empty (0 bytes); replace the file or take it out.")
    strange = DataError(f"{file}: not a DICOM file, whatever its name ends in ({file.suffix}).")
    try:
        # Files without a preamble are read where their name calls them DICOM.
        elements = pydicom.dcmread(
            opened, stop_before_pixels=True, specific_tags=tags, force=file.suffix.lower() in SUFFIXES
        )
    except InvalidDicomError:
        raise strange from None
    except Exception:
        if has_mark(file):
            raise
        raise strange from None
    if not has_mark(file) and not elements.get("SOPClassUID") and not elements.get("BitsAllocated"):
        raise strange
    # A deflated file's content would stay in memory for as long as its header is kept.
    elements.buffer = None
    return elements


@cache
def _image_tags() -> list[Any]:
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in _IMAGE_ELEMENTS]


def _syntax(elements: Dataset) -> tuple[UID, bool]:
    """The transfer syntax, and whether the file says it; else it is the plain one that its elements are written in."""
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    named = elements.file_meta.get("TransferSyntaxUID") if hasattr(elements, "file_meta") else None
    if named:
        return UID(named), True
    implicit, little = elements.original_encoding
    plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    elements.file_meta.TransferSyntaxUID = plain
    return plain, False


def _pixel_element(opened: IO[bytes], syntax: UID) -> _Pixels | None:
    """The element that the file stands at, which is that of the pixels or none."""
    place = opened.tell()
    head = opened.read(12)
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    # Some files write their elements in another way than their transfer syntax says.
    implicit = syntax.is_implicit_VR or not head[4:6].isalpha()
    long = 8 if implicit else 12
    keyword = _PIXELS.get(int.from_bytes(head[2:4], order))
    if len(head) < long or int.from_bytes(head[:2], order) != 0x7FE0 or keyword is None:
        return None
    length = int.from_bytes(head[long - 4 : long], order)
    representation = "" if implicit else head[4:6].decode("ascii")
    return _Pixels(keyword, place + long, representation, length == _UNKNOWN_LENGTH)


def _deflated_pixels(file: Path) -> _Pixels | None:
    import pydicom

    whole = pydicom.dcmread(file)
    found = next((name for name in _PIXELS.values() if name in whole), None)
    return _Pixels(found, None, "", False) if found else None


@cache
def _silence() -> None:
    """Let no warning and no log of pydicom out, as they quote values of headers; its other users keep their logs."""
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    logging.getLogger("pydicom").addFilter(lambda record: not _READING.get())
