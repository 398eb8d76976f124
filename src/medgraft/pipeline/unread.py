"""Some of many images that could not be done: said at the end, when the others are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medgraft.errors import DataError

_LISTED = 20


def unread(failed: Sequence[tuple[str, str]], total: int, what: str, table: Path | None = None) -> DataError:
    """The error that lists the first of them.

    Parameters
    ----------
    failed : address and error of each.
    total : of the images, the others included.
    what : what could not be done, such as ``read``.
    table : of all errors, for those that are not listed.
    """
    told = list(dict.fromkeys(error for _, error in failed))
    where = f": {table}" if table is not None else ""
    more = f"\n  and {len(told) - _LISTED} more{where}" if len(told) > _LISTED else ""
    listed = "\n  ".join(told[:_LISTED])
    others = ", the others are done" if len(failed) < total else ""
    return DataError(f"{len(failed)} of {total} images could not be {what}{others}:\n  {listed}{more}")
