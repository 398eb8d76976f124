"""Files that a layout makes of others: made once, kept in the cache, and seen by others whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medgraft.data.staging import publish, set_aside, staging
from medgraft.errors import DataError
from medgraft.files import cache_root

Progress = Callable[[str, int, int], None]
"""Is called with what is being made, how many pieces of it are done, and how many there are."""

_INDEX = "index.json"


def in_silence(what: str, done: int, total: int) -> None:
    """Tell nobody of the progress."""


def made_once(
    kind: str, key: Sequence[object], make: Callable[[Path], Sequence[str]], work: str
) -> tuple[Path, list[str]]:
    """Return a folder in the cache with the files that ``make`` makes; what was made whole before is used again.

    Parameters
    ----------
    kind : the folder of the cache in which it lies.
    key : everything that decides what is made, of types that JSON can hold.
    make : writes the files into folders inside the new, empty folder it is given, and returns sentences to keep
        with them.
    work : what cannot be done where the cache cannot be written, as ``the images of a.npz cannot be unpacked``.

    Returns
    -------
    The folder, and the sentences of ``make``.

    Raises
    ------
    DataError
        Where the cache cannot be written. What ``make`` raises leaves nothing behind.
    """
    folder = cache_root() / kind / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    said = _whole(folder)
    if said is not None:
        return folder, said
    try:
        with staging(folder.parent) as new:
            said = list(make(new))
            index = {"sizes": _sizes(new), "said": said}
            (new / _INDEX).write_text(json.dumps(index), encoding="utf-8")
            if folder.exists() and _whole(folder) is None:
                set_aside(folder)
            publish(new, folder)
    except OSError as error:
        raise DataError(
            f"{folder.parent}: {work} there ({error.strerror or error}). "
            "Make room, or name another folder in MEDGRAFT_CACHE."
        ) from error
    return folder, said


def _whole(folder: Path) -> list[str] | None:
    """The sentences kept with the files, or None where the files are not those that were written."""
    try:
        index: dict[str, Any] = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return [str(line) for line in index["said"]] if index["sizes"] == _sizes(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sizes(folder: Path) -> dict[str, list[int]]:
    """Number and bytes of the files in each folder; a machine that went down may leave some of them empty."""
    found = {}
    for inside in sorted(folder.iterdir()):
        if inside.is_dir():
            with os.scandir(inside) as entries:
                sizes = [entry.stat().st_size for entry in entries]
            found[inside.name] = [len(sizes), sum(sizes)]
    return found
