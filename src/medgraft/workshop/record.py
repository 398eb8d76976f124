"""What a learner has done: a small JSON file that survives the notebook."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from medgraft.errors import RunError
from medgraft.files import write_text

NAME = "medgraft-workshop.json"
VARIABLE = "MEDGRAFT_WORKSHOP"
"""Names another folder than the one where Python runs."""
FORMAT = 1
_TRIES = 3
"""After so many a solution may be read."""


@dataclass(frozen=True)
class Work:
    """What was done of one exercise.

    Attributes
    ----------
    tries : checks that failed before the first that passed.
    passed : when it passed first (seconds since 1970).
    hints : general hints that were shown.
    solution : whether the solution was read before it passed.
    """

    tries: int = 0
    passed: float | None = None
    hints: int = 0
    solution: bool = False

    @property
    def may_see_solution(self) -> bool:
        """After three tries, or once it passed."""
        return self.passed is not None or self.tries >= _TRIES

    @property
    def tries_left(self) -> int:
        """Tries until the solution may be read."""
        return 0 if self.may_see_solution else _TRIES - self.tries


@dataclass(frozen=True)
class Progress:
    """All that a learner has done: exercises, and the best share of right answers of each quiz."""

    exercises: Mapping[str, Work] = field(default_factory=dict)
    quizzes: Mapping[str, float] = field(default_factory=dict)

    def of(self, exercise: str) -> Work:
        """What was done of an exercise."""
        return self.exercises.get(exercise, Work())

    def with_check(self, exercise: str, passed: bool) -> Progress:
        """After a check."""
        work = self.of(exercise)
        if work.passed is None:
            work = replace(work, passed=time.time()) if passed else replace(work, tries=work.tries + 1)
        return self._with(exercise, work)

    def with_hint(self, exercise: str, of: int) -> Progress:
        """After a hint of the ``of`` that there are."""
        work = self.of(exercise)
        return self._with(exercise, replace(work, hints=min(work.hints + 1, of)))

    def with_solution(self, exercise: str) -> Progress:
        """After the solution was read."""
        work = self.of(exercise)
        return self._with(exercise, work if work.passed is not None else replace(work, solution=True))

    def with_quiz(self, quiz: str, share: float) -> Progress:
        """After a quiz of which ``share`` was answered rightly; the best counts."""
        return replace(self, quizzes={**self.quizzes, quiz: max(share, self.quizzes.get(quiz, 0.0))})

    def _with(self, exercise: str, work: Work) -> Progress:
        return replace(self, exercises={**self.exercises, exercise: work})


def place() -> Path:
    """The file: in the folder that ``$MEDGRAFT_WORKSHOP`` names, or here."""
    return Path(os.environ.get(VARIABLE) or ".") / NAME


def read_progress(path: Path | None = None) -> Progress:
    """What was done so far; raises RunError where the file is none of ours (it is never written over then)."""
    path = path or place()
    try:
        plain: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if int(plain["format"]) > FORMAT:
            raise RunError(f"{path} was written by a newer version of medgraft. Upgrade medgraft to go on with it.")
        works = {str(name): Work(**work) for name, work in plain["exercises"].items()}
        return Progress(works, {str(name): float(share) for name, share in plain["quizzes"].items()})
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path} cannot be read as the progress of a workshop ({type(error).__name__}). Give it another name to "
            "begin anew; nothing was written."
        ) from None


def write_progress(progress: Progress, path: Path | None = None) -> None:
    """Write it, whole or not at all."""
    plain = {
        "format": FORMAT,
        "exercises": {name: asdict(work) for name, work in progress.exercises.items()},
        "quizzes": dict(progress.quizzes),
    }
    write_text(path or place(), json.dumps(plain, indent=2) + "\n")
