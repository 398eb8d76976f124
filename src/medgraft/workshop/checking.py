"""check, hint and solution: what a learner calls in a notebook."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medgraft.errors import RecipeError, counted
from medgraft.workshop.catalogue import exercise_of, solution_of
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe
from medgraft.workshop.overseer import Outcome, Overseer
from medgraft.workshop.own import is_own, refusal
from medgraft.workshop.pickled import pickled
from medgraft.workshop.record import Progress, read_progress, write_progress

_LAST: dict[str, tuple[Any, bool]] = {}
"""By exercise, the object that was checked last and whether it passed."""
_LONGEST = 500
"""Characters of an answer that are shown."""


@dataclass(frozen=True)
class Seen:
    """A case and what came of it; ``fault`` is None where it is right."""

    probe: Probe
    fault: Fault | None


@dataclass(frozen=True)
class Verdict:
    """What a check found; true where every case is right.

    Attributes
    ----------
    hint : that fits the first fault; None where there is none left.
    """

    exercise: Exercise
    seen: tuple[Seen, ...]
    hint: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every case was put, and is right."""
        return len(self.seen) == len(self.exercise.probes) and all(one.fault is None for one in self.seen)

    @property
    def fault(self) -> Fault | None:
        """The first fault."""
        return next((one.fault for one in self.seen if one.fault is not None), None)

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"<{self.exercise.id}: {'passed' if self.passed else 'not yet'}>"

    def text(self) -> str:
        """As it is printed."""
        lines = [f"{'✓' if one.fault is None else '✗'} {one.probe.name}" for one in self.seen]
        lines += [f"· {probe.name}: not tried" for probe in self.exercise.probes[len(self.seen) :]]
        fault = self.fault
        if fault is not None:
            lines += ["", f"  given     {fault.given}", f"  got       {fault.got}", f"  expected  {fault.expected}"]
        head = f"{self.exercise.title}: {'all right' if self.passed else 'not yet'}"
        return "\n".join([head, *(f"  {line}" if line else "" for line in lines)])


class Asked(Protocol):
    """What puts cases to a learner's object: a process, or a test's own stand-in."""

    def ask(self, exercise: str, probe: int, given: Given, seed: int, seconds: float) -> Outcome:
        """Put one case."""


def judge(exercise: Exercise, asked: Asked, seed: int) -> tuple[Seen, ...]:
    """Put every case of an exercise; none is put after one that ended the object's process.

    What is given is drawn anew from ``seed``, so nothing can be learned by heart.
    """
    seen: list[Seen] = []
    for index, probe in enumerate(exercise.probes):
        rng = np.random.default_rng([seed, index])
        given = probe.draw(rng)
        outcome = asked.ask(exercise.id, index, given, int(rng.integers(2**31)), probe.seconds)
        seen.append(Seen(probe, _fault(probe, given, outcome)))
        if outcome.ended:
            break
    return tuple(seen)


def _fault(probe: Probe, given: Given, outcome: Outcome) -> Fault | None:
    if outcome.went_wrong is not None:
        return Fault(probe.name, _shown(outcome.went_wrong), "an answer", broke=True)
    try:
        fault = probe.judge(given, outcome.answer)
        if fault is None and _holds_nan(outcome.answer):  # which compares with nothing, so no judge finds it too large
            fault = Fault(probe.name, "NaN among the numbers", "numbers")
        return fault and replace(fault, got=_shown(fault.got))
    except Exception as error:
        # An answer of another form than was asked for; what was given is ours and has the right one. Somebody who wants
        # to can make an answer that trips up any judge, and must not end the grading of the others by it.
        got = _shown(f"an answer of an unexpected form ({type(error).__name__}: {error})")
        return Fault(probe.name, got, "see the task")


def _holds_nan(answer: Any) -> bool:
    if isinstance(answer, dict):
        return any(_holds_nan(item) for item in answer.values())
    if isinstance(answer, list):
        return any(_holds_nan(item) for item in answer)
    if isinstance(answer, float | np.ndarray):
        return bool(np.isnan(answer).any())
    return False


def _shown(text: str) -> str:
    """As any terminal can print it; an answer may hold words, of any length."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def verdict_of(exercise: Exercise, learner: Any, seed: int | None = None) -> Verdict:
    """Try an object in a process of its own, and judge what it answers."""
    seed = secrets.randbits(63) if seed is None else seed
    content = pickled(learner)
    with Overseer() as overseer:
        loaded = overseer.load(content, [str(Path.cwd()), *(p for p in sys.path if p)])
        if loaded.went_wrong is not None:
            fault = Fault(exercise.takes, loaded.went_wrong, "an object that loads", broke=True)
            return Verdict(exercise, (Seen(exercise.probes[0], fault),))
        return Verdict(exercise, judge(exercise, overseer, seed))


def check(name: str, learner: Any) -> Verdict:
    """Try your object on cases it has not seen, and say what is right and what is not.

    Parameters
    ----------
    name : the exercise, such as ``dice-loss``.
    learner : what the exercise asks for: a class, a function or an object.

    Returns
    -------
    Verdict
        True where every case is right. It is printed as well, and kept in the file of your progress. The workshop's own
        object, which :func:`working` handed out, is not tried, and nothing is kept of that.
    """
    exercise = exercise_of(name)
    if is_own(learner):
        said = f"{refusal(name)}. Run the cell with your answer again, then this one."
        print(f"{exercise.title}: not tried\n  {said}")
        return Verdict(exercise, (), said)
    verdict = verdict_of(exercise, learner)
    progress = read_progress().with_check(name, verdict.passed)
    _LAST[name] = learner, verdict.passed
    print(verdict.text())
    if not verdict.passed:
        said, progress = _hint(exercise, verdict.fault, progress)
        verdict = Verdict(exercise, verdict.seen, said)
        print(f"\n  hint      {said}")
        left = progress.of(name).tries_left
        more = f"after {counted(left, 'more try', 'more tries')}" if left else "now"
        print(f"  solution({name!r}) shows a solution {more}.")
    write_progress(progress)
    return verdict


def last_checked(name: str) -> tuple[Any, bool] | None:
    """The object of an exercise that was checked last in this process, and whether it passed."""
    return _LAST.get(name)


def _hint(exercise: Exercise, fault: Fault | None, progress: Progress) -> tuple[str, Progress]:
    """The hint that fits the mistake; of a mistake that is not known, the next general one (and again the last)."""
    if fault is not None and fault.mistake is not None:
        return exercise.mistakes[fault.mistake], progress
    if fault is not None and fault.broke:
        return f"It has to run first. This exercise asks for {exercise.takes}.", progress
    shown = min(progress.of(exercise.id).hints, len(exercise.hints) - 1)
    return exercise.hints[shown], progress.with_hint(exercise.id, len(exercise.hints))


def hint(name: str) -> None:
    """Print the next hint of an exercise, from general to particular."""
    exercise = exercise_of(name)
    progress = read_progress()
    said, progress = _hint(exercise, None, progress)
    write_progress(progress)
    print(said)


def solution(name: str) -> None:
    """Print a right solution of an exercise, after three tries.

    Raises
    ------
    RecipeError
        Before that; it says how many are left.
    """
    exercise = exercise_of(name)
    progress = read_progress()
    work = progress.of(exercise.id)
    if not work.may_see_solution:
        raise RecipeError(
            f"{name}: a solution is shown after {counted(work.tries_left, 'more try', 'more tries')}; "
            f"hint({name!r}) helps on the way."
        )
    write_progress(progress.with_solution(name))
    print(solution_of(name))
