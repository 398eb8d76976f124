"""Which files are DICOM, and which of those are segmentations, from their names and their first bytes."""

from __future__ import annotations

from pathlib import Path

from medgraft.data.formats.raster import IMAGE_SUFFIXES

SUFFIXES = (".dcm", ".dicom", ".ima")
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"

_PREAMBLE = 128
_META = 1024
# The element (0002,0002), which names what a file is, as all files of the standard begin.
_SEGMENTATION_SAID = tuple(
    b"\x02\x00\x02\x00UI" + len(kind).to_bytes(2, "little") + kind.encode() for kind in (SEGMENTATION, LABEL_MAP)
)
# Endings that say what a file is; others may stand behind the dots of a UID, and are looked into.
_TABLES = (".csv", ".tsv", ".txt", ".json", ".xml", ".html", ".md", ".pdf", ".yaml", ".yml", ".py", ".db")
_VOLUMES = (".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".raw", ".npz", ".npy", ".zip", ".tar")
_OTHERS = frozenset((*IMAGE_SUFFIXES, *_TABLES, *_VOLUMES))


def is_dicom(file: Path) -> bool:
    """Whether a file is a DICOM file: by its name, or where that says nothing by what stands behind its preamble."""
    suffix = file.suffix.lower()
    if suffix in SUFFIXES:
        return True
    return suffix not in _OTHERS and file.name.upper() != "DICOMDIR" and has_mark(file)


def has_mark(file: Path) -> bool:
    """Whether ``DICM`` stands behind the first 128 bytes (PS3.10, 7.1)."""
    try:
        with file.open("rb") as opened:
            return opened.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
    except OSError:
        return False


def is_segmentation(file: Path) -> bool:
    """Whether a file says in its first bytes (PS3.10, 7.1) that it is a segmentation; no more is read of it."""
    try:
        with file.open("rb") as opened:
            start = opened.read(_META)
            return any(said in start for said in _SEGMENTATION_SAID)
    except OSError:
        return False
