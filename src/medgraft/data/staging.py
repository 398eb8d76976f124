"""A folder that other processes see whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".building-"
_LOCK = "lock"
# A folder this young may belong to a process that has not yet come to take its lock.
_GRACE_SECONDS = 60.0
_CHUNK = 1 << 20


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Yield a new folder under ``parent`` to write into; :func:`publish` it, or it is removed at the end.

    What processes killed in the middle left behind is removed first. Raises OSError as the file system does.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    folder = parent / f"{_PREFIX}{uuid.uuid4().hex}"
    folder.mkdir()
    lock = _hold(folder)
    try:
        yield folder
    finally:
        _release(lock)
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Flush the files of ``folder`` to disk and rename it to ``target``.

    Files in folders inside are not flushed one by one; whoever has many of them checks their sizes on opening.
    Where another process has published ``target`` meanwhile, that one stays and ``folder`` is left alone.
    """
    for file in filter(Path.is_file, folder.iterdir()):
        with file.open("rb+") as written:
            os.fsync(written.fileno())
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def set_aside(folder: Path) -> None:
    """Remove a damaged folder in one step, so that nobody opens what is left of it."""
    away = folder.with_name(f"{_PREFIX}{uuid.uuid4().hex}")
    folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def reserve(path: Path, size: int) -> None:
    """Create ``path`` with ``size`` bytes of disk behind it; raises OSError (ENOSPC) where there are too few.

    A sparse file would be created on a full disk too, and writing to its memory map would kill the process.
    """
    with path.open("wb") as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for start in range(0, size, _CHUNK):
            file.write(bytes(min(_CHUNK, size - start)))


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < _GRACE_SECONDS:
                continue
            lock = _hold(folder)
        except OSError:
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _release(lock)


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


if sys.platform == "win32":

    def _hold(folder: Path) -> int | None:
        """Never hold: Windows renames no folder with an open file in it, so nothing is swept there either."""
        return None

else:
    import fcntl

    def _hold(folder: Path) -> int | None:
        """Lock the folder if it is free; the kernel frees it when its process dies, however it dies."""
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock
