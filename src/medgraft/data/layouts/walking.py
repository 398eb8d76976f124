"""All files below a folder, through links to folders as well, each folder once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medgraft.errors import DataError

_FOREIGN = (".", "__MACOSX")


def files_below(folder: Path) -> list[Path]:
    """Return the files in ``folder`` and below, sorted; what is hidden is skipped.

    A link to a folder is followed, unless it leads back to a folder that it lies in itself, or to one that was looked
    at already; so a loop of links has an end, and no file is found twice. A link to nothing is returned too: its name
    may be one that is asked for.

    Raises
    ------
    DataError
        Where a folder cannot be opened, as its images would be missed in silence.
    """
    seen: set[tuple[int, int]] = set()
    found: list[Path] = []
    waiting = [folder]
    # Folders come before links to them, so that a file is found where it lies.
    while waiting:
        links: list[Path] = []
        for place in waiting:
            found += _in_tree(place, seen, links)
        waiting = sorted(links)
    return sorted(found)


def _in_tree(folder: Path, seen: set[tuple[int, int]], links: list[Path]) -> Iterator[Path]:
    """Files below ``folder``; links to folders are put aside in ``links``."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listed = [entry for entry in entries if not entry.name.startswith(_FOREIGN)]
    except OSError as error:
        raise DataError(
            f"{folder}: this folder cannot be opened ({error.strerror}); change its permissions, or take it out."
        ) from None
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            yield from _in_tree(Path(entry.path), seen, links)
        elif entry.is_symlink() and Path(entry.path).is_dir():
            links += [] if _leads_back(entry.path) else [Path(entry.path)]
        else:
            yield Path(entry.path)


def _leads_back(link: str) -> bool:
    """Whether a link leads to a folder that it lies in itself."""
    here, there = os.path.realpath(Path(link).parent), os.path.realpath(link)
    return os.path.commonpath([here, there]) == there
