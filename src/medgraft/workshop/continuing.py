"""What a notebook goes on with after an exercise: the learner's object, or the workshop's own."""

from __future__ import annotations

from typing import Any

from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import last_checked
from medgraft.workshop.own import is_own, solution_object
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
        where your progress says that the exercise was passed. Else what the workshop's solution defines. The workshop's
        own object, which a cell that is run twice hands over, comes back as it is.
    """
    exercise = exercise_of(name)
    own = is_own(learner)
    last = last_checked(name)
    passed = last[1] if last is not None and last[0] is learner else read_progress().of(name).passed is not None
    if passed and not own:
        return learner
    print(f"  The notebook goes on with the workshop's own {exercise.defines} until yours has passed.")
    return learner if own else solution_object(name)
