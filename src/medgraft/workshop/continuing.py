"""What a notebook goes on with after an exercise: the learner's object, or the workshop's own."""

from __future__ import annotations

import importlib
from typing import Any

from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import last_checked
from medgraft.workshop.record import read_progress


def working(name: str, learner: Any) -> Any:
    """Your object where it has passed its check, else the workshop's own, so that the notebook goes on.

    Parameters
    ----------
    name : the exercise, such as ``dice-loss``.
    learner : your object, as ``check`` takes it.

    Returns
    -------
    object
        ``learner`` where the last check of just this object passed; where it was not checked since Python started,
        where your progress says that the exercise was passed. Else what the workshop's solution defines.
    """
    exercise = exercise_of(name)
    last = last_checked(name)
    passed = last[1] if last is not None and last[0] is learner else read_progress().of(name).passed is not None
    if passed:
        return learner
    print(f"  The notebook goes on with the workshop's own {exercise.defines} until yours has passed.")
    return solution_object(name)


def solution_object(name: str) -> Any:
    """What the workshop's solution of an exercise defines."""
    exercise = exercise_of(name)
    module = importlib.import_module(f"medgraft.workshop.solutions.{name.replace('-', '_')}")
    return getattr(module, exercise.defines)
