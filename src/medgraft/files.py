"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = 1 << 16
"""Bytes below which a disk counts as full; a writer that failed leaves less than its buffer free."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed to disk and renamed onto ``path``.

    When the block raises, the temporary file is removed and ``path`` is left as it was. The temporary
    name keeps the suffix of ``path``, because image writers choose their format by it. Raises OSError (ENOSPC)
    that names ``path`` where the disk is full, whatever error the writer makes of that.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}{path.suffix}")
    # Created with the mode of any new file: asking for the umask would change it for other threads.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except Exception as error:
        no_space = os.strerror(errno.ENOSPC)
        full = no_space in str(error) or shutil.disk_usage(path.parent).free < _FULL
        temporary.unlink(missing_ok=True)
        if full:
            raise OSError(errno.ENOSPC, no_space, str(path)) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cache_root() -> Path:
    """The folder for what can be made again: ``$MEDGRAFT_CACHE``, or ``~/.cache/medgraft``."""
    named = os.environ.get("MEDGRAFT_CACHE")
    return (Path(named) if named else Path("~/.cache/medgraft")).expanduser().absolute()
