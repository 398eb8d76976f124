"""The workshop: exercises that are checked by what your code does, hints, quizzes, and what you have done so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgraft.lazy import lazy_names

if TYPE_CHECKING:
    from medgraft.workshop.checking import check, hint, solution
    from medgraft.workshop.continuing import working
    from medgraft.workshop.keeping import kept
    from medgraft.workshop.overview import progress
    from medgraft.workshop.quizzing import quiz

_PLACES = {
    "check": "medgraft.workshop.checking:check",
    "hint": "medgraft.workshop.checking:hint",
    "kept": "medgraft.workshop.keeping:kept",
    "progress": "medgraft.workshop.overview:progress",
    "quiz": "medgraft.workshop.quizzing:quiz",
    "solution": "medgraft.workshop.checking:solution",
    "working": "medgraft.workshop.continuing:working",
}

__all__ = ["check", "hint", "kept", "progress", "quiz", "solution", "working"]

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
