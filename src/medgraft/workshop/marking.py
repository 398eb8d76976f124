"""Marks for one submission: its cells run in a process of its own; each exercise is judged as ``check`` does."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.checking import Verdict, judge
from medgraft.workshop.emptying import empty, temporary_folder
from medgraft.workshop.kernel import Kernel
from medgraft.workshop.limits import Limits
from medgraft.workshop.overseer import Outcome, Overseer
from medgraft.workshop.room import Room, Walls, made_room
from medgraft.workshop.runnable import Step, steps_of
from medgraft.workshop.submissions import Submission

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
class Conditions:
    """Under which all submissions are tried.

    Attributes
    ----------
    limits : of each process; ``limits.seconds`` are those of a cell.
    seconds : that a submission may take in all, by the clock.
    walls : what a submission cannot reach.
    key : secret bytes from which the cases are drawn: others for each learner, the same ones if all is done again.
    rooms : the folder in which each submission gets one of its own.
    stopped : is set to break off.
    """

    limits: Limits
    seconds: float
    walls: Walls
    key: bytes
    rooms: Path
    stopped: threading.Event = field(default_factory=threading.Event)


def mark(submission: Submission, under: Conditions) -> Row:
    """Grade a submission; where an exercise was handed in more than once, the best counts."""
    until = time.monotonic() + under.seconds
    with temporary_folder("of-one-", under.rooms) as folder:
        room = made_room(folder, under.walls)
        marks = dict.fromkeys(EXERCISES, MISSING)
        with Kernel(lambda: _process(submission, room, under), until, under.stopped) as kernel:
            for exercise, found in _Tried(kernel, submission, under.key).marks():
                marks[exercise] = max(marks[exercise], found, key=_worth)
    return Row(submission.learner, marks)


def _process(submission: Submission, room: Room, under: Conditions) -> Overseer:
    """A process in a folder with what was handed in, and without what one before it left there."""
    assert room.work is not None
    with contextlib.suppress(OSError):
        empty(room.work)
    submission.unpack(room.work)
    return Overseer(under.limits, room, under.stopped)


def _worth(found: str) -> int:
    return 2 if found == PASSED else 0 if found == MISSING else 1


class _Tried:
    """The files of a submission, tried one after another in the same process, each as a notebook of its own."""

    def __init__(self, kernel: Kernel, submission: Submission, key: bytes) -> None:
        self._kernel, self._learner, self._key = kernel, submission.learner, key
        self._files = [steps_of(handed.notebook) for handed in submission.files]
        self._with_cell = {step.exercise for steps in self._files for step in steps if step.exercise}

    def marks(self) -> list[tuple[str, str]]:
        """An exercise and its mark, as often as it was handed in."""
        found: list[tuple[str, str]] = []
        for steps in self._files:
            marked = any(step.exercise for step in steps)
            if not steps:
                continue
            if marked or any(name not in self._with_cell for name in EXERCISES):
                self._kernel.begin()
                found += self._by_cell(steps) if marked else self._by_name(steps)
        return found

    def _by_cell(self, steps: Sequence[Step]) -> list[tuple[str, str]]:
        """Of a notebook: each exercise is tried once its cell was run; what fails is stood in for, as it is there."""
        found = []
        for step in steps:
            outcome = self._kernel.run(step)
            if step.exercise is None:
                continue
            fault = _broken(outcome)
            result = self._judged(step.exercise) if fault is None else _failed(fault)
            found.append((step.exercise, result))
            if result != PASSED:
                self._kernel.stand_in(step.exercise)
        return found

    def _by_name(self, steps: Sequence[Step]) -> list[tuple[str, str]]:
        """Of a plain file, or a notebook that lost its metadata: what has an exercise's name, if no cell is its."""
        found: list[tuple[str, str]] = []
        for step in steps:
            answer: Any = self._kernel.run(step).answer
            new = answer.get("new") if isinstance(answer, dict) else None
            for name in [name for name in EXERCISES if isinstance(new, list) and name in new]:
                if name in self._with_cell or (name, PASSED) in found:
                    continue
                found.append((name, self._judged(name)))
                if found[-1][1] != PASSED:
                    self._kernel.stand_in(name)
        return found

    def _judged(self, name: str) -> str:
        exercise = exercise_of(name)
        verdict = Verdict(exercise, judge(exercise, self._kernel, self._seed(name)))
        if verdict.passed:
            return PASSED
        seen = next(one for one in verdict.seen if one.fault is not None)
        assert seen.fault is not None
        if seen.fault.broke or _STUB in seen.fault.got:
            return _failed(seen.fault.got)
        return _failed(f"{seen.probe.name}: got {seen.fault.got}, expected {seen.fault.expected}")

    def _seed(self, exercise: str) -> int:
        text = f"{self._learner}\0{exercise}".encode()
        return int.from_bytes(hashlib.blake2b(text, key=self._key, digest_size=8).digest(), "little") >> 1


def _broken(outcome: Outcome) -> str | None:
    """Why a cell defined nothing that can be tried; None where it did."""
    if outcome.went_wrong is not None:
        return outcome.went_wrong
    answer: Any = outcome.answer if isinstance(outcome.answer, dict) else {}
    if answer.get("defined") is True:
        return None
    return str(answer.get("own") or answer.get("raised") or _STUB)


def _failed(reason: str) -> str:
    """The mark; a stub that was left as it is was not handed in."""
    if _STUB in reason:
        return MISSING
    return _FAILED + in_a_line(reason)


def in_a_line(text: str) -> str:
    """Text of others as a short line that any terminal and any table can hold."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 8 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
