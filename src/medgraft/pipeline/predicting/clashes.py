"""What lies in the folder of the predictions and is not theirs: it is never written over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from medgraft.errors import DataError, listing
from medgraft.pipeline.predicting.inputs import Picture
from medgraft.pipeline.predicting.units import folder_name

_LISTED = 3


def refuse_clashes(out: Path, pictures: Sequence[Picture], endings: Sequence[str], begun: bool) -> None:
    """Raise DataError where what is written of the pictures would take the place of a file that is no prediction's.

    Parameters
    ----------
    out : the folder for the predictions.
    endings : of the files of a picture; see :func:`endings_of`.
    begun : whether a prediction was made into this folder before, so that what lies there is its own, unless it is one
        of the pictures.
    """
    if not out.is_dir():
        return
    written = out.resolve()
    inputs = {file for picture in pictures if written in (file := picture.place.file.resolve()).parents}
    if begun and not inputs:
        return
    names = dict.fromkeys(name for picture in pictures for name in _names(picture, endings))
    lost = [out / name for name in names if ((written / name) in inputs if begun else (out / name).exists())]
    refuse_loss(lost)


def refuse_loss(files: Sequence[Path]) -> None:
    """Raise DataError that lists the files, if any."""
    if files:
        raise DataError(
            f"{listing(files, _LISTED)}: would be written over, and no prediction has written it; choose another "
            "folder for the predictions with --out."
        )


def endings_of(masks: str, overlays: bool) -> list[str]:
    """What the names of a picture's files may end in; ``masks`` as in PredictOptions."""
    kinds = {"auto": (".png", ".nii.gz"), "png": (".png",), "nifti": (".nii.gz",), "dicom": (".dcm",)}
    return [*(f"_mask{kind}" for kind in kinds[masks]), *(["_overlay.png"] if overlays else [])]


def _names(picture: Picture, endings: Sequence[str]) -> Iterator[str]:
    """What may be written of a picture, alone or with others of its file or series."""
    for ending in endings:
        yield (picture.name if ending.endswith(".png") else picture.file_name) + ending
        if ending.endswith(".dcm"):
            yield folder_name(picture) + ending
