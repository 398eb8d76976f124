"""Masks of DICOM pictures as a DICOM segmentation (SEG) that points at them.

It holds of the patient and the study what ties it to its source in an archive, and nothing more: name, ID, birth date
and sex, and the study's UID, date, time and numbers. Without these an archive files it under somebody else.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.data import MaskClasses
from medgraft.data.formats import Address
from medgraft.data.formats.dicom_file import elements_of, reading
from medgraft.data.formats.dicom_kind import is_dicom
from medgraft.errors import DataError, EngineError
from medgraft.files import replacing
from medgraft.prediction import Array
from medgraft.version import __version__

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PATIENT = frozenset(("PatientName", "PatientID", "PatientBirthDate", "PatientSex"))
_STUDY = (
    *("StudyDescription", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "ReferencedStudySequence"),
    *("AdmittingDiagnosesDescription", "RequestingService", "ConsultingPhysicianName", "InstitutionName"),
    *("IssuerOfAccessionNumberSequence", "ReasonForPerformedProcedureCodeSequence", "ProcedureCodeSequence"),
)


def require_highdicom() -> None:
    """Raise EngineError where the package that writes segmentations is not installed."""
    try:
        import highdicom  # noqa: F401
    except ImportError:
        raise EngineError(
            "masks as DICOM segmentations need highdicom, which is not installed: pip install 'medgraft[dicom]'."
        ) from None


def series_of(file: Path) -> Hashable:
    """What pictures of one segmentation have in common: the series, their size and their frame of reference.

    A file without a place in the patient (an X-ray) is one for itself. Raises DataError where it cannot be read.
    """
    tags = ["SeriesInstanceUID", "Rows", "Columns", "FrameOfReferenceUID", "ImagePositionPatient", "NumberOfFrames"]
    with reading(file):
        found = elements_of(file, tags)
        alone = "ImagePositionPatient" not in found or int(found.get("NumberOfFrames") or 1) > 1
        own = (str(found.get("SeriesInstanceUID", "")), str(found.get("FrameOfReferenceUID", "")))
        return str(file) if alone else (*own, int(found.Rows), int(found.Columns))


def refuse_others(file: Path) -> None:
    """Raise DataError for a file that is no DICOM file."""
    if not is_dicom(file):
        raise DataError(
            f"{file}: is no DICOM file, so a DICOM segmentation has nothing to point at; leave out --masks."
        )


def save_segmentation(
    path: Path, addresses: Sequence[str], found: Sequence[Array], classes: MaskClasses, run: str, seed: str
) -> None:
    """Write the classes [H, W] of the pictures of a series to one segmentation, a segment a class.

    Parameters
    ----------
    addresses : of single-frame files of one series, or of all frames of one file.
    run : the name of the run, which is said to have drawn it.
    seed : what the file's own UIDs are made of, with its source's, so that the same prediction has the same.
    """
    import highdicom
    from pydicom.uid import generate_uid

    files = list(dict.fromkeys(Address.parse(address).file for address in addresses))
    sources = [_source(file) for file in files]
    stacked = np.stack(found)
    marks = np.stack([stacked == index for index in range(1, classes.count)], axis=-1).astype(np.uint8)
    own = [str(source.SOPInstanceUID) for source in sources]
    with _pointing_at(files[0]):
        made = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=marks,
            segmentation_type="BINARY",
            segment_descriptions=_segments(classes, run),
            series_instance_uid=generate_uid(entropy_srcs=["series", seed, str(sources[0].SeriesInstanceUID)]),
            series_number=1000,
            sop_instance_uid=generate_uid(entropy_srcs=["instance", seed, *own]),
            instance_number=1,
            manufacturer="Medgraft",
            manufacturer_model_name=run,
            software_versions=__version__,
            device_serial_number=seed[:16],
            content_label="PREDICTION",
            series_description="Prediction of a model, for research use only",
        )
        _strip(made)
    with replacing(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)


@contextmanager
def _pointing_at(file: Path) -> Iterator[None]:
    """Say which file a segmentation cannot be made for; what highdicom says may quote the header, and is not said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{file}: a DICOM segmentation cannot point at it ({type(error).__name__}): its header does not say where "
            "all its frames lie, or lacks what the standard asks for. Write its masks as --masks png."
        ) from None


def _source(file: Path) -> Dataset:
    import pydicom

    with reading(file):
        return pydicom.dcmread(file, stop_before_pixels=True)


def _segments(classes: MaskClasses, run: str) -> list[Any]:
    """What a class is in anatomy is known by its name alone, so its code is the plainest there is: tissue."""
    import highdicom
    from pydicom.sr.codedict import codes

    by = highdicom.AlgorithmIdentificationSequence(
        name=f"medgraft {run}"[:64], family=codes.cid7162.ArtificialIntelligence, version=__version__
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:64],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="AUTOMATIC",
            algorithm_identification=by,
        )
        for number, name in enumerate(classes.names[1:], start=1)
    ]


def _strip(made: Dataset) -> None:
    """Take out what was copied from the source and is not needed to file the segmentation beside it."""
    for element in list(made.group_dataset(0x0010)):
        if element.keyword not in _PATIENT:
            del made[element.tag]
    for keyword in _STUDY:
        if keyword in made:
            delattr(made, keyword)
    made.ReferringPhysicianName = ""
