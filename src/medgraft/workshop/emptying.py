"""A temporary folder that can be removed whatever somebody else's code made in it."""

from __future__ import annotations

import contextlib
import itertools
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder(prefix: str, inside: Path | None = None) -> Iterator[Path]:
    """A new folder that is gone afterwards, but for what the system does not let us remove."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=inside)).resolve()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            empty(folder)
            folder.rmdir()


def empty(folder: Path) -> None:
    """Remove all that is in a folder. Folders in folders are first moved up, so that no path gets too long."""
    numbers = itertools.count()
    while entries := list(folder.iterdir()):
        for entry in entries:
            if not _is_folder(entry):
                entry.unlink()
                continue
            entry.chmod(stat.S_IRWXU)
            for inner in list(entry.iterdir()):
                if _is_folder(inner):
                    inner.chmod(stat.S_IRWXU)
                    inner.rename(folder / f"{folder.name}-{next(numbers)}")
                else:
                    inner.unlink()
            entry.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
