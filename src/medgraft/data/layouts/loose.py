"""A folder of images without masks or labels, such as one of new scans."""

from __future__ import annotations

from pathlib import Path

from medgraft.data.formats import is_image
from medgraft.data.formats.dicom_kind import is_segmentation
from medgraft.data.layouts.walking import files_below


def loose_images(folder: Path) -> list[Path]:
    """Image files in ``folder``, or, where there are none, below it (DICOM is exported so), sorted; may be empty.

    Hidden files and DICOM segmentations, which are masks, are left out. Raises DataError where a folder cannot be
    opened.
    """
    inside = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    for files in (inside, files_below(folder)):
        found = [file for file in files if file.is_file() and is_image(file) and not is_segmentation(file)]
        if found:
            return found
    return []
