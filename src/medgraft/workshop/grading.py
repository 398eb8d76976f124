"""Grading: every submission in a process of its own, judged as ``check`` does, a row a learner."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import medgraft
from medgraft.progress import Observer
from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.checking import Verdict, judge
from medgraft.workshop.kernel import Kernel
from medgraft.workshop.limits import Limits
from medgraft.workshop.overseer import Outcome, Overseer
from medgraft.workshop.room import Room, Walls, made_room, walls_here
from medgraft.workshop.runnable import Step, steps_of
from medgraft.workshop.submissions import Handed, Submission, read_submissions

PASSED, MISSING, _FAILED = "passed", "missing", "failed: "
_STUB = "NotImplementedError"
"""What the cell of an exercise raises as it is handed out."""
_LONGEST = 240
"""Characters of the longest reason."""


@dataclass(frozen=True)
class Row:
    """What came of a submission.

    Attributes
    ----------
    marks : by exercise ``passed``, ``failed: `` with the reason, or ``missing``.
    """

    learner: str
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """How many exercises are right."""
        return sum(mark == PASSED for mark in self.marks.values())


@dataclass(frozen=True)
class Grades:
    """A row for each learner, and what a teacher should know beside them, a sentence each."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def grade(folder: Path, limits: Limits, seconds: float, observer: Observer | None = None) -> Grades:
    """Grade all that was handed in.

    Parameters
    ----------
    folder : a folder or a notebook for each learner.
    limits : of each process; ``limits.seconds`` are those of a cell.
    seconds : that a submission may take in all.

    Raises
    ------
    DataError
        Where the folder holds no submissions.
    """
    observer = observer or Observer()
    submissions = read_submissions(folder)
    for name in EXERCISES:  # before anything is run that might change the files they are in
        exercise_of(name)
    walls = walls_here((Path(medgraft.__file__).parent, folder.resolve(), Path.home()))
    rows, notes = [], _warnings(walls)
    for done, submission in enumerate(submissions):
        observer.working("submissions", done, len(submissions))
        rows.append(grade_one(submission, limits, seconds, walls))
        notes += submission.unread
    observer.working("submissions", len(submissions), len(submissions))
    return Grades(tuple(rows), tuple(notes))


def _warnings(walls: Walls) -> list[str]:
    said = {
        "network": "this system does not let us close the network: submissions can reach it.",
        "files": "this system does not let us close the disk: submissions run with your rights to files. Grade "
        "those of strangers in a container.",
    }
    return [said[what] for what in walls.left_open]


def grade_one(submission: Submission, limits: Limits, seconds: float, walls: Walls) -> Row:
    """Grade a submission; where an exercise was handed in more than once, the best counts."""
    until = time.monotonic() + seconds
    marks = dict.fromkeys(EXERCISES, MISSING)
    with tempfile.TemporaryDirectory(prefix="handed-in-", ignore_cleanup_errors=True) as name:
        room = made_room(Path(name).resolve(), walls)
        assert room.work is not None
        submission.unpack(room.work)
        for handed in submission.files:
            for exercise, mark in _marks(handed, limits, room, until).items():
                marks[exercise] = max(marks[exercise], mark, key=_worth)
    return Row(submission.learner, marks)


def _worth(mark: str) -> int:
    return 2 if mark == PASSED else 0 if mark == MISSING else 1


def _marks(handed: Handed, limits: Limits, room: Room, until: float) -> dict[str, str]:
    steps = steps_of(handed.notebook)
    with Kernel(lambda: Overseer(limits, room), until) as kernel:
        if any(step.exercise for step in steps):
            return _by_cell(kernel, steps)
        return _by_name(kernel, steps)


def _by_cell(kernel: Kernel, steps: Sequence[Step]) -> dict[str, str]:
    """Of a notebook: each exercise is tried once its cell was run; what fails is stood in for, as in the notebook."""
    marks: dict[str, str] = {}
    for step in steps:
        outcome = kernel.run(step)
        if step.exercise is None:
            continue
        fault = _broken(outcome)
        mark = _tried(kernel, step.exercise) if fault is None else _failed(fault)
        marks[step.exercise] = max(marks.get(step.exercise, MISSING), mark, key=_worth)
        if mark != PASSED:
            kernel.stand_in(step.exercise)
    return marks


def _broken(outcome: Outcome) -> str | None:
    """Why a cell defined nothing; None where it did."""
    if outcome.went_wrong is not None:
        return outcome.went_wrong
    answer: Any = outcome.answer if isinstance(outcome.answer, dict) else {}
    if answer.get("defined") is True:
        return None
    return str(answer.get("raised") or _STUB)


def _by_name(kernel: Kernel, steps: Sequence[Step]) -> dict[str, str]:
    """Of a plain file, or a notebook that lost its metadata: whatever has an exercise's name is tried."""
    for step in steps:
        kernel.run(step)
    found = kernel.gather().answer
    names = [name for name in EXERCISES if isinstance(found, list) and name in found]
    return {name: _after(kernel, name) for name in names}


def _after(kernel: Kernel, exercise: str) -> str:
    kernel.gather()  # once more, in case the one before ended the process
    return _tried(kernel, exercise)


def _tried(kernel: Kernel, name: str) -> str:
    exercise = exercise_of(name)
    verdict = Verdict(exercise, judge(exercise, kernel, secrets.randbits(63)))
    if verdict.passed:
        return PASSED
    seen = next(one for one in verdict.seen if one.fault is not None)
    assert seen.fault is not None
    if seen.fault.broke or _STUB in seen.fault.got:
        return _failed(seen.fault.got)
    return _failed(f"{seen.probe.name}: got {seen.fault.got}, expected {seen.fault.expected}")


def _failed(reason: str) -> str:
    """The mark; a stub that was left as it is was not handed in."""
    if _STUB in reason:
        return MISSING
    return _FAILED + _in_a_line(reason)


def _in_a_line(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
