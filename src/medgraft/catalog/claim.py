"""One process at a time in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medgraft.errors import DataError


@contextmanager
def claimed(folder: Path, doing: str = "fetching the same set") -> Iterator[None]:
    """Hold ``folder`` for this process; raises DataError while another one holds it.

    The kernel frees it when the process dies, however it dies. Nothing is held on Windows.

    Parameters
    ----------
    doing : what the other process is at, for the error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DataError(f"{folder}: another medgraft is {doing} at this moment; wait for it.") from error
    try:
        yield
    finally:
        os.close(lock)
