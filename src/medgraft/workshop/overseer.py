"""Running somebody else's object in a process of its own, and stopping it in time."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from medgraft.workshop.frames import ANSWER, FrameError, read_frame, write_frame
from medgraft.workshop.limits import Limits, Taken, family, on_disk, taken
from medgraft.workshop.room import Room

_STARTUP = 300.0
"""Seconds by the clock in which PyTorch is loaded on any machine."""
_LEAVING = 5.0
"""Seconds that a process whose streams are closed may take to be gone."""
_GLANCE = 0.1
"""Seconds between two looks at what the process holds and prints."""
_FORGED = "It wrote into the files of the process that runs it. Give answers by return."
_LONGEST = 1000
"""Characters of the longest sentence that is taken from the other side."""


@dataclass(frozen=True)
class Outcome:
    """What came of a request: an ``answer``, or what ``went_wrong`` in a sentence.

    ``ended`` tells that the process is gone with it.
    """

    answer: Any = None
    went_wrong: str | None = None
    ended: bool = False


class Overseer:
    """A process with a learner's object, and what is asked of it.

    Parameters
    ----------
    room : what it can reach; default: all that this process can, from where it is.
    stopped : when set, the process ends soon, whatever it is at.
    """

    def __init__(
        self, limits: Limits | None = None, room: Room | None = None, stopped: threading.Event | None = None
    ) -> None:
        self.limits, self.room = limits or Limits(), room or Room()
        self._stopped = stopped or threading.Event()
        handle, name = tempfile.mkstemp(prefix="medgraft-printed-", dir=self.room.folder)
        os.close(handle)
        self._printed = Path(name)
        self._answers: queue.Queue[Any] = queue.Queue()
        bounds = [str(self.limits.memory), str(self.limits.written or 0)]
        self._process = subprocess.Popen(
            self.room.command([sys.executable, "-P", "-m", "medgraft.workshop.worker", name, *bounds]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.room.work,
            env={**self.room.environment, **_ours()},
            start_new_session=True,
        )
        self._asked = 0
        self._base: Taken | None = None
        self._now = Taken()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Overseer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def printed(self) -> str:
        """The beginning of what the object printed."""
        with contextlib.suppress(OSError), self._printed.open("rb") as file:
            return file.read(2000).decode("utf-8", "replace")
        return ""

    def load(self, pickled: bytes, path: list[str]) -> Outcome:
        """Hand over an object as cloudpickle wrote it; ``path`` says where its modules lie."""
        import numpy as np

        return self._request({"object": np.frombuffer(pickled, np.uint8), "path": path}, self.limits.seconds)

    def ask(self, exercise: str, probe: int, given: Mapping[str, Any], seed: int, seconds: float) -> Outcome:
        """Put a case of an exercise to the object."""
        message = {"exercise": exercise, "probe": probe, "given": dict(given), "seed": seed}
        return self._request(message, seconds)

    def run(self, source: str, where: str, exercise: str | None) -> Outcome:
        """Run a cell of a notebook; see ``Session.run`` for the answer."""
        message = {"cell": source, "where": where, "exercise": exercise, "path": [str(self.room.work or Path.cwd())]}
        return self._request(message, self.limits.seconds)

    def begin(self) -> Outcome:
        """Forget all names: the cells that follow are another notebook's."""
        return self._request({"begin": True}, self.limits.seconds)

    def stand_in(self, exercise: str) -> Outcome:
        """Let later cells use the workshop's own object of an exercise."""
        return self._request({"stand_in": exercise}, self.limits.seconds)

    def close(self) -> None:
        """End the process and all that it started."""
        for process in family(self._process.pid):
            with contextlib.suppress(psutil.Error):
                process.kill()
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._printed.unlink(missing_ok=True)

    def _request(self, message: Mapping[str, Any], seconds: float) -> Outcome:
        if self._base is None:
            failed = self._started()
            if failed is not None:
                return failed
        assert self._process.stdin is not None
        if not self._answers.empty():  # it ended meanwhile, or answered to nothing that was asked
            return self._stop(self._ending() if self._answers.get() is None else _FORGED)
        try:
            self._asked += 1
            write_frame(self._process.stdin, {**message, "number": self._asked})
        except OSError:
            return self._stop(self._ending())
        return self._wait(seconds)

    def _started(self) -> Outcome | None:
        """Wait until PyTorch is loaded; what goes wrong before that is not the learner's doing."""
        until = time.monotonic() + _STARTUP
        while True:
            try:
                ready = self._answers.get(timeout=_GLANCE)
            except queue.Empty:
                if time.monotonic() < until and not self._stopped.is_set():
                    continue
                return self._stop(f"Python did not start within {_STARTUP:g} seconds: this computer is too busy.")
            if ready is None:
                return self._stop("Python could not be started for it; that is no fault of the code.")
            self._base = self._now = taken(self._process.pid)
            return None

    def _wait(self, seconds: float) -> Outcome:
        """The next answer; what goes beyond a limit meanwhile ends the process."""
        before, start = self._now.seconds, time.monotonic()
        while True:
            try:
                reply = self._answers.get(timeout=_GLANCE)
            except queue.Empty:
                late = self._beyond() or self._late(self._now.seconds - before, time.monotonic() - start, seconds)
                if late is None:
                    continue
                return self._stop(late)
            if not isinstance(reply, dict) or reply.get("number") != self._asked:
                return self._stop(self._ending() if reply is None else _FORGED)
            reason = self._beyond()  # what printed or took too much is no answer
            return _outcome(reply) if reason is None else self._stop(reason)

    def _stop(self, reason: str) -> Outcome:
        self.close()
        return Outcome(went_wrong=reason, ended=True)

    def _late(self, computed: float, passed: float, seconds: float) -> str | None:
        """Judged by what it computed, so that a busy machine makes nobody fail; by the clock where that is little."""
        if computed > seconds:
            return f"It did not end within {seconds:g} seconds of computing. Is there a loop that never ends?"
        most = seconds * self.limits.patience
        if passed > most:
            return (f"It did not end within {most:g} seconds, of which it computed for {computed:.0f}. "
                    "Does it wait for something?")  # fmt: skip
        return None

    def _beyond(self) -> str | None:
        if self._stopped.is_set():
            return "All was broken off."
        with contextlib.suppress(OSError):
            if self._printed.stat().st_size > self.limits.printed:
                return f"It printed more than {self.limits.printed / 2**20:g} MB. Take the print calls out of loops."
        self._now, base = taken(self._process.pid), self._base or Taken()
        if self._now.memory > base.memory + self.limits.memory:
            return f"It took more than {self.limits.memory / 2**30:g} GB of memory."
        if self._now.processes > base.processes + self.limits.processes:
            return f"It started more than {self.limits.processes} processes."
        return self._beyond_disk()

    def _beyond_disk(self) -> str | None:
        folder, most = self.room.folder, self.limits.written
        if folder is not None and most is not None and on_disk(folder, most) > most:
            return f"It wrote more than {most / 2**20:g} MB into files, or folders in folders without end."
        return None

    def _ending(self) -> str:
        try:
            code = self._process.wait(_LEAVING)
        except subprocess.TimeoutExpired:  # it lives, and what it sends is no answer
            return _FORGED
        if code < 0:
            return f"It was ended by the system (signal {-code}): by a crash, for its memory, or by itself."
        return f"It ended Python itself (exit code {code}): is there an exit() in it?"

    def _listen(self) -> None:
        """Take one answer after another; None at the end. Where two are there nobody waited for one: then no more."""
        assert self._process.stdout is not None
        while True:
            try:
                answer = read_frame(self._process.stdout, ANSWER)
            except FrameError:
                answer = _FORGED
            except (EOFError, OSError, ValueError):
                answer = None
            more = self._answers.empty()
            self._answers.put(answer if more else _FORGED)
            if not more or not isinstance(answer, dict):
                return


def _outcome(reply: dict[str, Any]) -> Outcome:
    """Of a frame that came; the learner's code may have written it, whatever it holds."""
    raised = reply.get("raised")
    return Outcome(answer=reply.get("answer"), went_wrong=None if raised is None else str(raised)[:_LONGEST])


def _ours() -> dict[str, str]:
    """What this process's interpreter finds packages by, for the other one."""
    return {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
