"""Whose pictures DICOM files hold, told apart without saying who it is.

A patient's name in a run is a hash of the patient's id, keyed with bytes of that patient's own pictures. The same
files give the same name on any machine, no secret has to be kept, and whoever has a run but not the pictures cannot
find the id by trying all ids that there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from medgraft.data.formats.dicom_file import elements_of, reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SHORTEST = 4
"""Letters or digits from which a part of a name, or an id, is looked for anywhere in a path; below, as a word."""

_TAGS = (
    *("PatientID", "OtherPatientIDs", "PatientName", "OtherPatientNames", "PatientBirthName", "PatientBirthDate"),
    *("AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
    *("BitsStored", "Modality", "PhotometricInterpretation", "WindowCenter", "VOILUTSequence", "NumberOfFrames"),
)
_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName")
_NUMBERS = ("PatientID", "OtherPatientIDs", "PatientBirthDate", "AccessionNumber")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
# What is written where a name or an id was taken out.
_NOBODY = frozenset(
    (
        *("anonymous", "anonymized", "anonymised", "anonym", "anon", "unknown", "none", "null", "patient", "name"),
        *("test", "removed", "deidentified", "de-identified", "n/a", "na", "nan", "0", "x", "no id", "noid"),
    )
)
_BETWEEN = re.compile(r"[\^=,;\s._/\\-]+")
_PIECE = 4096


@dataclass(frozen=True)
class Identity:
    """What a file says of its patient. None of it is for showing or writing but what :func:`alias` makes of it.

    Attributes
    ----------
    patient, study : their ids; empty where the file says none, or one that stands for nobody.
    words : in small letters, what would tell who it is, were it in a file's name.
    content : 32 bytes that only whoever has the file knows.
    windowless : whether its values are measured ones (more than 8 bits) and it asks for no window.
    modality : CT, MR and so on.
    """

    patient: str = field(repr=False)
    study: str = field(repr=False)
    words: frozenset[str] = field(repr=False)
    content: bytes = field(repr=False)
    windowless: bool
    modality: str


def identity_of(file: Path) -> Identity:
    """Read what a DICOM file says of its patient; raises DataError where it cannot be read."""
    with reading(file):
        return _identity(elements_of(file, list(_TAGS)), file)


def _identity(elements: Dataset, file: Path) -> Identity:
    names = [part for tag in _NAMES for part in _BETWEEN.split(_text(elements, tag))]
    numbers = [number for tag in _NUMBERS for number in _text(elements, tag).split("\\")]
    uids = [_text(elements, tag) for tag in _UIDS]
    words = {name for name in names if len(name) >= SHORTEST} | set(numbers) | set(uids)
    words |= _spellings(_text(elements, "PatientBirthDate"))
    patient, study = _text(elements, "PatientID"), _text(elements, "StudyInstanceUID")
    asks = elements.get("WindowCenter") is not None or elements.get("VOILUTSequence") is not None
    grey = _text(elements, "PhotometricInterpretation").startswith("monochrome")
    several = int(elements.get("NumberOfFrames") or 1) > 1  # their windows may lie with each frame
    return Identity(
        patient="" if patient in _NOBODY else patient,
        study=study,
        words=frozenset(words - _NOBODY - {""}),
        content=content_of(file, uids[-1]),
        windowless=grey and int(elements.get("BitsStored") or 0) > 8 and not asks and not several,
        modality=_text(elements, "Modality").upper(),
    )


def content_of(file: Path, further: str = "") -> bytes:
    """A digest of ``further`` and of bytes from the middle of a file, where its pixels lie."""
    with file.open("rb") as opened:
        opened.seek(file.stat().st_size // 2)
        return blake2b(opened.read(_PIECE) + further.encode(), digest_size=32).digest()


def alias(kind: str, value: str, contents: Iterable[bytes]) -> str:
    """A name such as ``patient-3f9c0a1b2c4d`` for an id, keyed with the content of all files it belongs to."""
    return f"{kind}-{blake2b(value.encode(), key=min(contents), digest_size=6).hexdigest()}"


def tells(text: str, words: Iterable[str]) -> bool:
    """Whether a text, such as a path, has one of the words in it."""
    text = normalize("NFC", text.casefold())
    pieces = set(_BETWEEN.split(text))
    return any(word in text if len(word) >= SHORTEST else word in pieces for word in words)


def _text(elements: Dataset, tag: str) -> str:
    """An element as text in small letters, its values joined by a backslash."""
    value = elements.get(tag)
    if value is None:
        return ""
    many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return normalize("NFC", "\\".join(map(str, many)).strip().casefold())


def _spellings(date: str) -> set[str]:
    """A date of the form YYYYMMDD as people write it, such as 1948-03-17 or 17.03.1948; none where it is no date."""
    if not re.fullmatch(r"\d{8}", date):
        return set()
    year, month, day = date[:4], date[4:6], date[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return {sign.join(order) for order in orders for sign in ("", "-", "_", ".", " ")}
