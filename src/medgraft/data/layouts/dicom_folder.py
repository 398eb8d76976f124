"""The layout of DICOM images with DICOM segmentations among them, in any folders below the data's own.

A frame of a segmentation names the picture that it was drawn on, so images and masks are matched by that and not by
their names. A picture of a series that a segmentation is about, and that none of its frames names, shows nothing of
what was segmented: that is how the standard leaves empty frames out (PS3.3, C.8.20.2), so its mask is empty. Pictures
of other series were not looked at by whoever segmented, and are left aside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from medgraft.data.exclusion import left_out
from medgraft.data.formats import Address
from medgraft.data.formats.dicom_file import elements_of, header_of, reading
from medgraft.data.formats.dicom_kind import is_dicom, is_segmentation
from medgraft.data.formats.dicom_seg import NOTHING, Segmentation, Source, part_of, read_segmentation
from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.matching import unique_ids
from medgraft.data.layouts.unpacking import Progress
from medgraft.data.layouts.walking import files_below
from medgraft.data.manifest import Manifest
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing

BACKGROUND = "background"

T = TypeVar("T")

_NAMED = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Rows", "NumberOfFrames"]


@dataclass(frozen=True)
class _Picture:
    """A picture and what frames of segmentations call it by; the UIDs are for matching alone."""

    address: str
    source: Source
    series: str


@dataclass(frozen=True)
class _Marked:
    """The frames that mark one picture, all of one file, by the value that they get in the mask."""

    file: Path
    frames: dict[int, list[int]]


def recognises(root: Path) -> bool:
    """Whether there is a segmentation in ``root`` or below."""
    return any(is_segmentation(file) for file in _files(root))


def read(root: Path, columns: Columns, progress: Progress) -> Manifest:
    """Match images and segmentations; raises DataError where a segmentation is about images that are not there."""
    files = [file for file in _files(root) if not left_out(str(file))]
    masks = [mask for file in files if is_segmentation(file) for mask in _readable(read_segmentation, file)]
    pictures: list[_Picture] = []
    rest = [file for file in files if not is_segmentation(file)]
    for done, file in enumerate(rest, start=1):
        pictures += [picture for found in _readable(_pictures, file) for picture in found]
        progress("reading DICOM headers", done, len(rest))
    values = _values(masks)
    marked = _marked(masks, {picture.source for picture in pictures}, values, root)
    about = _series(masks, marked, pictures)
    rows = [(p.address, _mask(p, marked, about)) for p in pictures if p.series in about]
    if not rows:
        raise DataError(f"{root}: no image is of a series that a segmentation is about.")
    base = pd.DataFrame(rows, columns=["image", "target"])
    base.insert(0, "id", unique_ids(base["image"]))
    table, notes = join_metadata(base, root, columns)
    said = _said(root, masks, values, len(rows), len(rows) - len(marked), len(pictures) - len(rows))
    mapping = {"0": BACKGROUND} | {str(value): name for name, value in values.items() if value}
    return Manifest(table, root, root.resolve().name, (*said, *notes), mask_values=mapping)


def _files(root: Path) -> list[Path]:
    """DICOM files in ``root`` and below, sorted."""
    return [file for file in files_below(root) if is_dicom(file)]


def _readable(read: Callable[[Path], T], file: Path) -> list[T]:
    """What ``read`` finds in a file; nothing where it cannot be read, which is refused."""
    try:
        return [read(file)]
    except DataError as error:
        refuse("unreadable files", str(error), [file])
        return []


def _pictures(file: Path) -> list[_Picture]:
    """The frames of a file; none where it holds no pictures, such as a report."""
    with reading(file):
        elements = elements_of(file, _NAMED)
        if not elements.get("Rows"):
            # What comes first says what the file is, also where the rest is lost.
            kind = elements.file_meta.get("MediaStorageSOPClassUID") or elements.get("SOPClassUID")
            if kind is None or "Image Storage" in kind.name:
                raise DataError(f"{file}: its header is cut short; replace the file or take it out.")
            return []
        instance, series = str(elements.SOPInstanceUID), str(elements.get("SeriesInstanceUID", ""))
        count = int(elements.get("NumberOfFrames") or 1)
    if count > file.stat().st_size:
        header_of(file)  # which refuses such a claim
    if count == 1:
        return [_Picture(str(file), Source(instance), series)]
    width = len(str(count))
    frames = range(1, count + 1)
    return [_Picture(str(Address(file, str(n).zfill(width))), Source(instance, n), series) for n in frames]


def _values(masks: list[Segmentation]) -> dict[str, int]:
    """The value of each segment in the masks, by its name; segments of one name in several files are one class."""
    names = dict.fromkeys(label for mask in masks for _, label in sorted(mask.labels.items()))
    classes = [name for name in names if name.casefold() != BACKGROUND]
    return {name: 0 for name in names if name not in classes} | {name: i for i, name in enumerate(classes, start=1)}


def _marked(masks: list[Segmentation], there: set[Source], values: dict[str, int], root: Path) -> dict[Source, _Marked]:
    """By picture, the frames that mark it."""
    found: dict[Source, _Marked] = {}
    for mask in masks:
        unknown: set[Source | None] = set()
        for number, (segment, source) in enumerate(mask.frames, start=1):
            place = _place(source, there)
            if place is None:
                unknown.add(source)
                continue
            entry = found.setdefault(place, _Marked(mask.file, {}))
            if entry.file != mask.file:
                raise DataError(
                    f"{mask.file}: marks an image that {entry.file} marks too; a mask has one class a pixel, so keep "
                    "one of the two, or join them into one file."
                )
            value = values[mask.labels[segment]]
            if value:
                entry.frames.setdefault(value, []).append(number)
        _refuse_unknown(mask, unknown, root)
    return found


def _place(source: Source | None, there: set[Source]) -> Source | None:
    """The picture that a frame names; of a file with one picture, some name its frame 1."""
    if source is None or source in there:
        return source
    plain = Source(source.instance)
    return plain if source.frame == 1 and plain in there else None


def _refuse_unknown(mask: Segmentation, unknown: set[Source | None], root: Path) -> None:
    if None in unknown:
        raise DataError(f"{mask.file}: does not say of each of its frames which image it marks; save it anew.")
    if unknown:
        refuse(
            "masks without image",
            f"{mask.file}: marks {len(unknown)} images that are not in {root}; add them, or take the segmentation out.",
            [mask.file],
        )


def _series(masks: list[Segmentation], marked: dict[Source, _Marked], pictures: list[_Picture]) -> dict[str, Path]:
    """The series that segmentations are about, each with one of these."""
    named = {series: mask.file for mask in masks for series in mask.series}
    return named | {p.series: marked[p.source].file for p in pictures if p.source in marked}


def _mask(picture: _Picture, marked: dict[Source, _Marked], about: dict[str, Path]) -> str:
    found = marked.get(picture.source)
    if found is None:
        return str(Address(about[picture.series], NOTHING))
    return str(Address(found.file, part_of(sorted(found.frames.items()))))


def _said(
    root: Path, masks: list[Segmentation], values: dict[str, int], images: int, empty: int, aside: int
) -> list[str]:
    files = "1 segmentation" if len(masks) == 1 else f"{len(masks)} segmentations"
    classes = listing(name for name, value in values.items() if value)
    said = [f"{root.name}/: {images} DICOM images with masks from {files} ({classes})"]
    if empty:
        said.append(f"{empty} images of segmented series are marked by no frame, so their masks are empty")
    if aside:
        said.append(f"{aside} images of series that no segmentation is about were left aside")
    return said
