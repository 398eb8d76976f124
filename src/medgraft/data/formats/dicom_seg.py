"""DICOM segmentations (PS3.3, A.51): frames of marked pixels, each of one segment and of one picture of another file.

A mask is made of some of the frames. Its address names them: ``seg.dcm#v1f3f17v2f4`` is a mask whose value is 1 where
frame 3 or 17 marks a pixel and 2 where frame 4 does, and ``seg.dcm#v0`` one in which nothing is marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medgraft.data.formats.dicom_file import Header, elements_of, header_of, reading
from medgraft.data.formats.dicom_kind import LABEL_MAP
from medgraft.data.formats.dicom_pixels import stored_frame
from medgraft.errors import DataError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Array = npt.NDArray[Any]
Marks = list[tuple[int, list[int]]]
"""Values of a mask, each with the frames (from 1) that mark its pixels."""

NOTHING = "v0"
_PART = re.compile(r"(?:v\d+(?:f\d+)*)+")
_VALUE = re.compile(r"v(\d+)((?:f\d+)*)")


@dataclass(frozen=True)
class Source:
    """What a frame marks: a picture's SOP instance UID, and its frame (from 1) where the file names one."""

    instance: str
    frame: int | None = None


@dataclass(frozen=True)
class Segmentation:
    """A file of marks. The UIDs in it are for matching and are never shown or written.

    Attributes
    ----------
    file : the file.
    labels : the name of each segment, by its number.
    frames : of each frame, its segment's number and what it marks, None where it does not say.
    series : the series whose pictures it is about.
    """

    file: Path
    labels: dict[int, str]
    frames: tuple[tuple[int, Source | None], ...]
    series: frozenset[str]


def part_of(marks: Marks) -> str:
    """The part of an address that names these marks."""
    return "".join(f"v{value}" + "".join(f"f{frame}" for frame in frames) for value, frames in marks) or NOTHING


def read_segmentation(file: Path) -> Segmentation:
    """Read what a segmentation says of its frames; raises DataError where it does not say it."""
    header = header_of(file)
    _refuse_label_map(header)
    with reading(file):
        elements = elements_of(file)
        labels = {int(item.SegmentNumber): _label(item) for item in elements.SegmentSequence}
        series = frozenset(str(item.SeriesInstanceUID) for item in elements.get("ReferencedSeriesSequence") or [])
        shared = (elements.get("SharedFunctionalGroupsSequence") or [None])[0]
        own = elements.get("PerFrameFunctionalGroupsSequence") or []
        frames = tuple((_segment(group, shared), _source(group, shared)) for group in own[: header.frames])
    if len(frames) < header.frames or any(segment not in labels for segment, _ in frames):
        raise DataError(f"{file}: does not say of each of its frames which segment it marks; save it anew.")
    return Segmentation(file, labels, frames, series)


def marked_mask(header: Header, part: str) -> Array:
    """The mask [H, W] that a part of an address asks for; without one, all segments by their numbers, of one picture.

    Of a fractional segmentation, a pixel is marked from half of its largest value on. Raises DataError where two
    values mark one pixel, as a mask has one class a pixel.
    """
    _refuse_label_map(header)
    if not part:
        part = _whole(read_segmentation(header.file))
    if not _PART.fullmatch(part):
        raise DataError(f"{header.file}: has no mask {part!r}; one is named as in {header.file.name}#v1f3.")
    half = float(header.elements.get("MaximumFractionalValue") or 1) / 2 if header.bits > 1 else 0.5
    marks = [(int(value), [int(f) for f in frames.split("f")[1:]]) for value, frames in _VALUE.findall(part)]
    mask = np.zeros(header.size, np.uint8 if all(value < 256 for value, _ in marks) else np.uint16)
    for value, frames in marks:
        for frame in frames:
            if not 1 <= frame <= header.frames:
                raise DataError(f"{header.file}: has no frame {frame}; it has {header.frames}, counted from 1.")
            marked = stored_frame(header, frame - 1)[0] >= half
            if (marked & (mask != 0) & (mask != value)).any():
                raise DataError(
                    f"{header.file}: two segments mark the same pixels (frame {frame} is one), and a mask has one "
                    "class a pixel; save them without overlap, or each to a file of its own."
                )
            mask[marked] = value
    return mask


def _whole(found: Segmentation) -> str:
    """All marks, where they are of one picture."""
    if len({source for _, source in found.frames}) > 1:
        raise DataError(
            f"{found.file}: marks several pictures, so it is no mask of one; put it beside the DICOM files that it was "
            "drawn on, and give their folder."
        )
    numbers = sorted({segment for segment, _ in found.frames})
    return part_of([(n, [i for i, (own, _) in enumerate(found.frames, start=1) if own == n]) for n in numbers])


def _refuse_label_map(header: Header) -> None:
    if header.kind == LABEL_MAP:
        raise DataError(f"{header.file}: a segmentation of the kind LABELMAP is not read; save it as BINARY.")


def _label(item: Dataset) -> str:
    return " ".join(str(item.get("SegmentLabel") or "").split()) or f"segment {item.SegmentNumber}"


def _segment(group: Dataset, shared: Dataset | None) -> int:
    for scope in (group, shared):
        if scope is not None and scope.get("SegmentIdentificationSequence"):
            return int(scope.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    return 0


def _source(group: Dataset, shared: Dataset | None) -> Source | None:
    """The one picture that a frame was derived from."""
    for scope in (group, shared):
        for derivation in (scope.get("DerivationImageSequence") or []) if scope is not None else []:
            for source in derivation.get("SourceImageSequence") or []:
                frame = source.get("ReferencedFrameNumber")
                one = frame[0] if isinstance(frame, list | tuple) else frame
                return Source(str(source.ReferencedSOPInstanceUID), int(one) if one is not None else None)
    return None
