"""Runs the cells of a file that was handed in, in a process that is started again where the learner's code ended it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from medgraft.workshop.exercise import Given
from medgraft.workshop.overseer import Outcome, Overseer
from medgraft.workshop.runnable import Step


class Kernel:
    """What a notebook's cells define, and the process it lives in.

    A cell that ends the process is left out when it is started again, so one endless loop costs one exercise.

    Parameters
    ----------
    start : gives a new process.
    until : when all of it has to be over (``time.monotonic``).
    stopped : when set, it is over at once.
    """

    def __init__(self, start: Callable[[], Overseer], until: float, stopped: threading.Event | None = None) -> None:
        self._start, self._until = start, until
        self._stopped = stopped or threading.Event()
        self._overseer: Overseer | None = None
        self._done: list[Step | str] = []

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def begin(self) -> None:
        """Forget the cells so far: those that follow are another notebook's."""
        self._done.clear()
        if self._overseer is not None and self._overseer.begin().went_wrong is not None:
            self._close()

    def run(self, step: Step) -> Outcome:
        """Run a cell."""
        return self._keep(step)

    def stand_in(self, exercise: str) -> Outcome:
        """Let the cells that follow use the workshop's own object of an exercise; starts no process for that alone."""
        if self._overseer is None:
            self._done.append(exercise)
            return Outcome()
        return self._keep(exercise)

    def ask(self, exercise: str, probe: int, given: Given, seed: int, seconds: float) -> Outcome:
        """Put a case of an exercise to what its cell defined."""
        return self._request(
            lambda overseer: overseer.ask(exercise, probe, given, seed, min(seconds, overseer.limits.seconds))
        )

    def _keep(self, what: Step | str) -> Outcome:
        outcome = self._request(lambda overseer: _do(overseer, what))
        if not outcome.ended:
            self._done.append(what)
        return outcome

    def _request(self, request: Callable[[Overseer], Outcome]) -> Outcome:
        overseer = self._alive()
        if overseer is None:
            return Outcome(went_wrong="the time for the whole submission was over", ended=True)
        outcome = request(overseer)
        if outcome.ended:
            self._close()
        return outcome

    def _alive(self) -> Overseer | None:
        """The process with all cells run so far; None where there is no time left."""
        while time.monotonic() < self._until and not self._stopped.is_set():
            if self._overseer is not None:
                return self._overseer
            self._overseer = self._start()
            for place, what in enumerate(self._done):
                if _do(self._overseer, what).ended:  # it did well the first time, but not now
                    del self._done[place]
                    self._close()
                    break
        self._close()
        return None

    def _close(self) -> None:
        if self._overseer is not None:
            self._overseer.close()
        self._overseer = None


def _do(overseer: Overseer, what: Step | str) -> Outcome:
    return overseer.stand_in(what) if isinstance(what, str) else overseer.run(what.source, what.where, what.exercise)
