"""The project's own errors: each message says what was wrong, where, and what to do.

Every class here stands for something the user can mend, so the command line turns any of them into one
message on standard error and exit code 2. Anything else that escapes is a defect of ours (exit code 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MedgraftError(Exception):
    """Base of all errors that the user can mend."""


class DataError(MedgraftError):
    """A folder, file, table or split that cannot be used as it is."""


class RecipeError(MedgraftError):
    """An option that is unknown, out of range or at odds with another."""


class WeightsError(MedgraftError):
    """Pretrained weights that cannot be had, or that do not fit the encoder."""


class EngineError(MedgraftError):
    """A runtime that is not installed, or that does not reproduce PyTorch's outputs."""


class RunError(MedgraftError):
    """A run folder that exists, is incomplete, or was written by a newer version."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean a, b?" for the known names nearest to ``name``, or an empty string."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""


def listing(items: Iterable[object], first: int = 10) -> str:
    """Return the first items joined by commas, and how many more there are."""
    names = [str(item) for item in items]
    more = f" and {len(names) - first} more" if len(names) > first else ""
    return ", ".join(names[:first]) + more


def counted(number: int, what: str, many: str = "") -> str:
    """Return ``1 image``, or ``1,204 images``; ``many`` where an s does not make the plural."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"
