"""What an encoder is called where there is little room for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path


def shown(encoder: str) -> str:
    """An encoder's name as a table has room for it: of a file of weights its name alone, of a hub's its last part."""
    name, at, weights = encoder.partition("@")
    last = weights.rpartition("/")[2]
    return f"{name} ({last if weights.startswith('hf-hub:') else Path(last).stem})" if at else name


def told_apart(encoders: Iterable[str]) -> dict[str, str]:
    """Each encoder as :func:`shown` has it, but in full where two would be called the same."""
    short = {encoder: shown(encoder) for encoder in encoders}
    counts = Counter(short.values())
    return {encoder: name if counts[name] == 1 else encoder for encoder, name in short.items()}
