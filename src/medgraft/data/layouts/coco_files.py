"""Where the files of COCO annotations lie, which split each is of, and where their images are."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from medgraft.data.layouts.coco_json import KEYS
from medgraft.data.layouts.columns import SPLIT_WORDS
from medgraft.data.layouts.matching import child_folder
from medgraft.errors import DataError, listing

_FOLDER = "annotations"
_CERTAIN = frozenset(("coco", "instances"))
_NAMES = _CERTAIN | {_FOLDER, "annotation", "labels", *SPLIT_WORDS}
_OTHERS = frozenset(("captions", "keypoints", "panoptic", "stuff", "info"))
"""Words in the names of files that lie beside COCO's instances and are not those."""


def find_annotations(path: Path) -> list[Path]:
    """The files of COCO instances in a folder, itself, its annotations/, and its train/, val/ and test/.

    What is one is told by its name, or by its being the only JSON file there, and by its having the lists of one.
    Where there is one, those that are named like it, or as a split, are taken for others even if they are broken, so
    that a broken one is refused and not left out. A file is its own only one.
    """
    if path.is_file():
        return [path]
    annotations = child_folder(path, _FOLDER)
    splits = sorted(child for child in path.iterdir() if child.name.casefold() in SPLIT_WORDS and child.is_dir())
    likely = []
    for place in (path, *([annotations] if annotations else []), *splits):
        files = sorted(file for file in place.glob("*.json") if not _words(file) & _OTHERS)
        likely += [file for file in files if len(files) == 1 or _words(file) & _NAMES]
    sure = {file for file in likely if _looks_like_coco(file)}
    names = {file.name for file in sure}
    as_well = _CERTAIN | SPLIT_WORDS.keys() if sure else _CERTAIN
    return [file for file in likely if file in sure or file.name in names or _words(file) & as_well]


def root_of(path: Path) -> Path:
    """The folder of the whole data set, of which ``path`` is the folder or a file of annotations."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name.casefold() == _FOLDER else path.parent


def splits_of(files: Sequence[Path], root: Path) -> list[str]:
    """The split that the name of each file tells, or of the folder it lies in; none where all are of one.

    Raises DataError where some names tell one and others do not.
    """
    found = []
    for path in files:
        words = _words(path) | (_words(path.parent) if path.parent != root else set())
        named = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
        found.append(named.pop() if len(named) == 1 else "")
    if len(set(found)) == 1:
        return [""] * len(files)
    if "" in found:
        without = [path.name for path, split in zip(files, found, strict=True) if not split]
        raise DataError(
            f"{root}: of its files of annotations, {listing(without)} tells no split by its name, and others do. Give "
            "one file alone, or take away what does not belong."
        )
    return found


def image_places(file: Path, root: Path, split: str) -> list[Path]:
    """Folders in which the images of a file of annotations may lie, the likeliest first."""
    names = {file.stem.rpartition("_")[2], *(word for word, meaning in SPLIT_WORDS.items() if meaning == split)}
    below = _with_children(root)
    named = [child for folder in below for child in sorted(folder.iterdir()) if child.name in names and child.is_dir()]
    beside = [] if file.parent.name.casefold() == _FOLDER else _with_children(file.parent)
    near = [*named, *beside] if file.parent == root else [*beside, *named]
    return list(dict.fromkeys([*near, *below]))


def find_image(name: str, places: Sequence[Path]) -> Path | None:
    """The image of that name; a path on the machine where it was annotated stands for the file's name in it."""
    plain = name.replace("\\", "/")
    for form in dict.fromkeys((name, plain, plain.rpartition("/")[2])):
        for place in places:
            if form and _is_there(place / form):
                return place / form
    return None


def _with_children(folder: Path) -> list[Path]:
    return [folder, *(child for name in ("images", "data") if (child := child_folder(folder, name)))]


def _words(path: Path) -> set[str]:
    return set(re.findall("[a-z]+", path.stem.casefold()))


def _looks_like_coco(file: Path) -> bool:
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as written:
            return all(written.find(f'"{key}"'.encode()) >= 0 for key in KEYS)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name longer than any file's
        return False
