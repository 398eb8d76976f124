"""Units of work: pictures whose files are written together, so that a unit is done or not done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from typing import Literal

from medgraft.data.formats import is_volume, space_of
from medgraft.data.formats.dicom_file import header_of
from medgraft.errors import DataError, RecipeError
from medgraft.inference import batches
from medgraft.pipeline.predicting.dicom import refuse_others, series_of
from medgraft.pipeline.predicting.inputs import Picture

MASKS = ("auto", "png", "nifti", "dicom")
"""What masks are written as; auto: NIfTI of whole volumes, PNG of all else."""

Form = Literal["png", "nifti", "dicom"]
Key = tuple[Form, Hashable]


@dataclass(frozen=True)
class Unit:
    """Pictures that are done together.

    Attributes
    ----------
    pictures : of one volume or DICOM series, or else as many as fit into one batch.
    form : what their masks are written as.
    name : of the file that holds all masks of a volume or a series, without an ending.
    """

    pictures: tuple[Picture, ...]
    form: Form
    name: str = ""

    @property
    def addresses(self) -> list[str]:
        """The pictures' addresses."""
        return [picture.address for picture in self.pictures]


def units_of(pictures: Sequence[Picture], masks: str) -> Iterator[Unit]:
    """The pictures in units, those of a volume or series where its first one stands; the same each time.

    Raises
    ------
    DataError
        Where ``masks`` asks for a kind of file that a picture has no place in, before the first unit.
    """
    held = Counter(picture.place.file for picture in pictures)
    groups: dict[Key, list[Picture]] = {}
    runs = groupby(pictures, lambda picture: _KEYS[masks](picture, held[picture.place.file]))
    for place, (key, run) in enumerate(runs):
        # Single pictures are a group as long as nothing else comes between them.
        groups.setdefault(key if key[0] != "png" else ("png", place), []).extend(run)
    names: set[str] = set()
    return (
        unit
        for (form, _), group in groups.items()
        for unit in (_batched(group) if form == "png" else [_whole(group, form, names)])
    )


def _batched(group: Sequence[Picture]) -> Iterator[Unit]:
    """Single pictures, by the batches that they make; none is opened before its turn."""
    by_address = {picture.address: picture for picture in group}
    for batch in batches([picture.address for picture in group]):
        yield Unit(tuple(by_address[str(address)] for address in batch), "png")


def _whole(group: Sequence[Picture], form: Form, names: set[str]) -> Unit:
    """A volume or a series, with a name that no other has."""
    files = {picture.place.file for picture in group}
    name = group[0].file_name if len(files) == 1 else folder_name(group[0])
    numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
    chosen = next(one for one in numbered if one not in names)
    names.add(chosen)
    return Unit(tuple(group), form, chosen)


def folder_name(first: Picture) -> str:
    """A series is called as the folder that it lies in."""
    inside = Path(first.file_name).parent
    return str(inside) if inside.name else first.place.file.absolute().parent.name or "series"


def _png(picture: Picture, held: int) -> Key:
    return "png", ""


def _auto(picture: Picture, held: int) -> Key:
    place = picture.place
    if is_volume(place.file) and place.part and held == _slices(picture):
        return "nifti", place.file
    return "png", ""


def _nifti(picture: Picture, held: int) -> Key:
    place = picture.place
    if not is_volume(place.file):
        raise DataError(
            f"{place.file}: is no volume, so its mask cannot be NIfTI; leave out --masks, and each gets what suits it."
        )
    if place.part and held < _slices(picture):
        raise DataError(f"{place.file}: a mask as NIfTI is of a whole volume; name the file, without a slice.")
    return "nifti", place.file


def _dicom(picture: Picture, held: int) -> Key:
    place = picture.place
    refuse_others(place.file)
    try:
        if place.part and held < header_of(place.file).frames:
            raise RecipeError(f"{place.file}: a DICOM segmentation is of all frames; name the file, without a frame.")
        return "dicom", series_of(place.file)
    except DataError:  # said when it is read
        return "dicom", str(place.file)


def _slices(picture: Picture) -> int:
    """How many slices its volume has, along the axis that it is a slice of."""
    space = space_of(picture.place.file)
    axis, _ = space.place(picture.place.part)
    return len(space.parts(axis))


_KEYS: dict[str, Callable[[Picture, int], Key]] = {"auto": _auto, "png": _png, "nifti": _nifti, "dicom": _dicom}
