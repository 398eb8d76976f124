"""What is to be predicted: from files, folders and patterns to pictures, each with a name for what is written of it."""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medgraft.data.formats import Address, Axis, is_image, parts_of
from medgraft.data.formats.dicom_kind import is_segmentation
from medgraft.data.layouts.loose import loose_images
from medgraft.errors import DataError


@dataclass(frozen=True)
class Picture:
    """One picture to predict.

    Attributes
    ----------
    address : of the picture, as :class:`~medgraft.data.formats.Address` reads it.
    name : path, relative to the folder of the predictions and without an ending, that its own files begin with.
    file_name : the same for what is written of its whole file, such as a volume.
    """

    address: str
    name: str
    file_name: str

    @property
    def place(self) -> Address:
        """The address, read."""
        return Address.parse(self.address)


@dataclass(frozen=True)
class _Found:
    """A file, and the folder that its name is relative to."""

    file: Path
    root: Path
    part: str = ""


def pictures_of(given: Sequence[str | Path], axis: Axis, out: Path) -> list[Picture]:
    """All pictures in the order given, each once.

    Parameters
    ----------
    given : files (``file#part`` for one picture of several), folders, whose images are taken (where there are none,
        those of folders in them), and patterns such as ``scans/*/t1.png`` or ``scans/**/*.dcm``.
    axis : along which volumes are cut into slices.
    out : where the predictions go; what lies there is no input.

    Raises
    ------
    DataError
        Where a file does not exist, or a folder or a pattern holds no image.
    """
    found: dict[tuple[str, str], _Found] = {}
    for item in (one for word in given for one in _expanded(word, out)):
        found.setdefault((str(item.file.absolute()), item.part), item)
    items = list(found.values())
    held = [_addresses(item, axis) for item in items]
    names = _names(items, [[address.part for address in addresses] for addresses in held])
    return [
        Picture(str(address), _part_name(name, address.part), name)
        for addresses, name in zip(held, names, strict=True)
        for address in addresses
    ]


def _expanded(word: str | Path, out: Path) -> Iterator[_Found]:
    place = Address.parse(word)
    if Path(word).is_dir():
        yield from _in_folder(Path(word), Path(word), out)
    elif place.file.is_file():
        yield _Found(place.file, place.file.parent, place.part)
    elif glob.has_magic(str(word)):
        yield from _matching(str(word), out)
    else:
        raise DataError(f"{word}: no such file.")


def _in_folder(folder: Path, root: Path, out: Path) -> list[_Found]:
    written, inside = out.resolve(), loose_images(folder)
    images = [_Found(file, root) for file in inside if written not in file.resolve().parents]
    if not images:
        but = " but those that lie where the predictions go; choose another folder with --out" if inside else ""
        raise DataError(f"{folder}: no image in this folder{but}.")
    return images


def _matching(pattern: str, out: Path) -> list[_Found]:
    """Files that match and are images, and the images of folders that match."""
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root, written = Path(*fixed), out.resolve()
    found: list[_Found] = []
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - an absolute pattern is no Path's
        file = Path(match)
        if file.is_dir() and not pattern.endswith("**"):
            found += [_Found(one, root) for one in loose_images(file)]
        elif file.is_file() and is_image(file) and not is_segmentation(file):
            found.append(_Found(file, root))
    found = [one for one in found if written not in one.file.resolve().parents]
    if not found:
        raise DataError(f"{pattern}: no image matches this pattern.")
    return found


def _names(items: Sequence[_Found], parts: Sequence[Sequence[str]]) -> list[str]:
    """A name for each file, different from all others' (but for parts of one file), with its parts as without them.

    It is the file's path below its root without the ending; where two would be called the same, with the ending, and
    where that is not enough, with as many folders above the root as are needed.
    """
    levels = [0] * len(items)
    while True:
        names = [_name(item.file, item.root, level) for item, level in zip(items, levels, strict=True)]
        owners: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, (name, item) in enumerate(zip(names, items, strict=True)):
            for own in {name, *(_part_name(name, part) for part in parts[place])}:
                owners[own][str(item.file.absolute())].append(place)
        alike = {p for files_of in owners.values() if len(files_of) > 1 for places in files_of.values() for p in places}
        if not alike:
            return names
        for place in alike:
            levels[place] += 1


def _name(file: Path, root: Path, level: int) -> str:
    own = file.relative_to(root)
    above = root.absolute().parts[1:]
    kept = above[len(above) - (level - 1) :] if level > 1 else ()
    if level - 1 > len(above):
        raise DataError(f"{file}: has the name of another image; give the two to commands of their own.")
    last = Address(file).stem if level == 0 else file.name
    return str(Path(*kept, own.parent, last))


def _part_name(name: str, part: str) -> str:
    return f"{name}-{part}" if part else name


def _addresses(item: _Found, axis: Axis) -> list[Address]:
    """The pictures of a file; one that cannot be opened is its own, and is told of when it is read."""
    parts: Iterable[str] = [str(Address(item.file, item.part))]
    if not item.part:
        with suppress(DataError):
            parts = parts_of(item.file, axis)
    return [Address.parse(address) for address in parts]
