"""Looking names up by a pattern, and saying what would have matched where nothing did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from medgraft.errors import RecipeError, suggest


def matching(pattern: str, names: Sequence[str], what: str) -> list[str]:
    """Return the names that match a pattern with wildcards (``*``, ``?``, ``[...]``), in their order.

    Raises
    ------
    RecipeError
        When none does; a wider pattern that would match some, or else the nearest names, are suggested. ``what``
        says in the message what is looked for and where, such as ``encoder in timm 1.0``.
    """
    found = [name for name in names if fnmatchcase(name, pattern)]
    if found:
        return found
    word = re.sub(r"[*?\[\]]", "", pattern)
    inside = sum(word in name for name in names) if word else 0
    advice = f" '*{word}*' would match {inside}." if inside else suggest(word, names)
    raise RecipeError(f"no {what} matches {pattern!r}.{advice}")
