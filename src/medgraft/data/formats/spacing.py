"""How large a pixel is in the body, in mm, where the file of a picture can be trusted to say it.

=========  ============================================================================================================
DICOM      the pixel measures of the frame; else PixelSpacing; else ImagerPixelSpacing, divided by the magnification
           where the file estimates it; else NominalScannedPixelSpacing; else the ultrasound regions, where all that
           show tissue (2-D) give one size in cm. ImagerPixelSpacing alone is the size at the detector, which is
           larger than in the body
NIfTI      the distance between voxels, in the header's unit (mm where it names none); unknown where the header has
           neither a unit, nor an orientation, nor a distance other than 1
NRRD       the directions or spacings, in the space's unit (mm where it names none); unknown without both
others     unknown: the resolution of a PNG, JPEG or TIFF file is that of a screen or of a printer, and editors make
           it up
=========  ============================================================================================================

A size that is zero, negative or no number is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.data.formats import volume_checks, volume_nifti
from medgraft.data.formats.address import Address, ending_of
from medgraft.data.formats.dicom_file import elements_of, header_of, reading
from medgraft.data.formats.dicom_kind import is_dicom
from medgraft.data.formats.volumes import is_volume, space_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Spacing = tuple[float, float]

_NIFTI_UNITS = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
_NRRD_UNITS = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 0.001, "µm": 0.001, "microns": 0.001, "": 1.0}
_DICOM = (
    *("PixelSpacing", "ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor", "NominalScannedPixelSpacing"),
    "SequenceOfUltrasoundRegions",
)
_TISSUE, _CENTIMETRES = 1, 3
"""Of an ultrasound region: the format 2-D, and the unit cm (PS3.3, C.8.5.5)."""


def spacing_of(address: str | Path) -> Spacing | None:
    """Return the distance between two rows and that between two columns, in mm; None where it is not known.

    Parameters
    ----------
    address : a file, or ``file#part`` for one picture of a file that holds several.

    Raises
    ------
    DataError
        Where a DICOM, NIfTI or NRRD file is missing or damaged; other files are not looked at.
    """
    place = Address.parse(address)
    if is_volume(place.file):
        lengths = _lengths(place.file)
        if lengths is None:
            return None
        _, columns, rows = _axes(place)
        return _checked(lengths[rows], lengths[columns])
    return _dicom(place) if is_dicom(place.file) else None


def slice_distance_of(address: str | Path) -> float | None:
    """Return the distance from a slice of a volume to the next, in mm; None where unknown, or of no volume.

    Raises
    ------
    DataError
        Where the file is missing or damaged.
    """
    place = Address.parse(address)
    lengths = _lengths(place.file) if is_volume(place.file) else None
    if lengths is None:
        return None
    distance = lengths[_axes(place)[0]]
    return None if _checked(distance, distance) is None else distance


@dataclass(frozen=True)
class Spacings:
    """The spacings of a set of pictures, in one unit.

    Attributes
    ----------
    known : of each picture, in mm; None where any of them is unknown, and all are to be measured in pixels.
    note : what a reader must know of it; empty where there is nothing to say.
    """

    known: tuple[Spacing, ...] | None
    note: str = ""

    def __getitem__(self, position: int) -> Spacing | None:
        return None if self.known is None else self.known[position]

    @classmethod
    def of(cls, found: Sequence[Spacing | None]) -> Spacings:
        """Choose the unit: mm where every picture's spacing is known, else pixels, and a note where they differ."""
        known = tuple(spacing for spacing in found if spacing is not None)
        if known and len(known) == len(found):
            return cls(known)
        if not known:
            return cls(None)
        return cls(
            None,
            f"distances are in pixels for all images: {len(known)} of {len(found)} files say how large a pixel is, "
            "and averages of mm and pixels would mean nothing",
        )

    @classmethod
    def read(cls, pictures: Iterable[tuple[str | Path, ...]]) -> Spacings:
        """Look at files, each picture's in turn until one says it (as an image, then its mask)."""
        return cls.of([next((s for s in map(spacing_of, files) if s is not None), None) for files in pictures])


def _checked(rows: Any, columns: Any) -> Spacing | None:
    """Two distances as numbers; None where one of them is none."""
    found = float(rows), float(columns)
    return found if min(found) > 0 and math.isfinite(sum(found)) else None


# -- volumes ---------------------------------------------------------------------------------------------------------


def _axes(place: Address) -> tuple[int, int, int]:
    """The axes of the patient (right, front, head) across a slice, along its columns' order, and its rows' order."""
    axis, _ = space_of(place.file).place(place.part)
    across = {"sagittal": 0, "coronal": 1, "axial": 2}[axis]
    width, height = (i for i in range(3) if i != across)
    return across, width, height


def _lengths(file: Path) -> tuple[float, float, float] | None:
    """mm between voxels towards the right, the front and the head; None where the file does not say."""
    state = file.stat() if file.is_file() else None
    return _lengths_of(file, *((state.st_size, state.st_mtime_ns) if state else (0, 0)))


@lru_cache(maxsize=1024)
def _lengths_of(file: Path, size: int, changed: int) -> tuple[float, float, float] | None:
    """``size`` and ``changed`` tell files of one name apart."""
    space = space_of(file)
    unit = unit_of(file)
    if unit is None:
        return None
    stored = np.linalg.norm(space.affine[:3, :3], axis=0) * unit
    found = dict(zip(space.orientation[:, 0].astype(int).tolist(), stored.tolist(), strict=True))
    return found[0], found[1], found[2]


def unit_of(file: Path) -> float | None:
    """The unit of a volume's affine in mm, such as 0.001 where it counts in micrometres; None where nothing is said."""
    return _nifti_unit(file) if ending_of(file) in volume_nifti.ENDINGS else _nrrd_unit(file)


def _nifti_unit(file: Path) -> float | None:
    import nibabel

    with volume_checks.reading(file, "NIfTI"):
        header: Any = nibabel.load(file, mmap=False).header
        unit = header.get_xyzt_units()[0]
        placed = int(header["sform_code"]) or int(header["qform_code"])
        if not placed and unit == "unknown" and all(zoom == 1 for zoom in header.get_zooms()[:3]):
            return None
        return _NIFTI_UNITS.get(unit)


def _nrrd_unit(file: Path) -> float | None:
    import nrrd

    with volume_checks.reading(file, "NRRD"):
        header = nrrd.read_header(str(file))
        if header.get("space directions") is None and "spacings" not in header:
            return None
        units = {str(unit).strip().lower() for unit in header.get("space units", header.get("units", []))}
        factors = {_NRRD_UNITS.get(unit) for unit in units - {"???", "none"}} or {1.0}
        return factors.pop() if len(factors) == 1 else None


# -- DICOM -----------------------------------------------------------------------------------------------------------


def _dicom(place: Address) -> Spacing | None:
    header = header_of(place.file)
    frame = int(place.part) - 1 if place.part.isdecimal() else 0
    with reading(place.file):
        try:
            measures = header.functional(frame, "PixelMeasuresSequence")
            found = _pair(measures, "PixelSpacing") if measures is not None else None
            return found or _of_file(elements_of(place.file, _tags()))
        except (TypeError, ValueError):  # what stands where a number is wanted is none
            return None


def _of_file(elements: Dataset) -> Spacing | None:
    """What a file says of all its pictures."""
    imager = _pair(elements, "ImagerPixelSpacing")
    if imager:
        larger = float(elements.get("EstimatedRadiographicMagnificationFactor") or 1)
        imager = _checked(imager[0] / larger, imager[1] / larger) if larger > 0 else imager
    return (
        _pair(elements, "PixelSpacing") or imager or _pair(elements, "NominalScannedPixelSpacing") or _tissue(elements)
    )


def _pair(elements: Dataset, keyword: str) -> Spacing | None:
    value = elements.get(keyword)
    return _checked(*value) if value is not None and not isinstance(value, str) and len(value) == 2 else None


def _tissue(elements: Dataset) -> Spacing | None:
    """The size of a pixel in the regions of an ultrasound picture that show tissue, where they agree."""
    sizes = set()
    for region in elements.get("SequenceOfUltrasoundRegions") or []:
        if region.get("RegionSpatialFormat") != _TISSUE:
            continue
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        steps = region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX")
        known = units == {_CENTIMETRES} and None not in steps
        # Steps are negative where an axis runs the other way.
        sizes.add(_checked(*(10 * abs(float(step)) for step in steps)) if known else None)
    return sizes.pop() if len(sizes) == 1 else None


@cache
def _tags() -> list[Any]:
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in _DICOM]
