"""Numbers in the sentences of findings, as people write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def verb(number: int, one: str, many: str) -> str:
    """The form of a verb for so many."""
    return one if number == 1 else many


def tally(values: Iterable[object]) -> str:
    """``300 PNG and 20 JPEG``: how many there are of each, most first."""
    parts = [f"{count:,} {value}" for value, count in Counter(values).most_common()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def percent(share: float) -> str:
    """``12%``, and ``0.4%`` where a whole number would say nothing."""
    return f"{share:.0%}" if share >= 0.0995 or share == 0 else f"{share:.1%}"


def shown(text: str) -> str:
    """The text in one line that any terminal and file can hold: control characters and broken ones are spelt out."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return plain if plain.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in plain)
