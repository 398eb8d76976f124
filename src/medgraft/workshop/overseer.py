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

from medgraft.workshop.frames import FrameError, read_frame, write_frame
from medgraft.workshop.limits import Limits, family, on_disk, resident
from medgraft.workshop.room import Room

_STARTUP = 120.0
"""Seconds in which PyTorch is loaded on any machine."""
_LEAVING = 5.0
"""Seconds that a process whose streams are closed may take to be gone."""
_GLANCE = 0.03
"""Seconds between two looks at what the process holds and prints."""


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
    """

    def __init__(self, limits: Limits | None = None, room: Room | None = None) -> None:
        self.limits, self.room = limits or Limits(), room or Room()
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
        self._base: int | None = None
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

    def stand_in(self, exercise: str) -> Outcome:
        """Let later cells use the workshop's own object of an exercise."""
        return self._request({"stand_in": exercise}, self.limits.seconds)

    def gather(self) -> Outcome:
        """Take what has an exercise's name; the answer lists these exercises."""
        return self._request({"gather": True}, self.limits.seconds)

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

    def _request(self, message: Any, seconds: float) -> Outcome:
        if self._base is None:
            ready = self._wait(_STARTUP)
            if ready.went_wrong:
                return ready
            self._base = resident(self._process.pid)
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, message)
        except OSError:
            return Outcome(went_wrong=self._ending(), ended=True)
        return self._wait(seconds)

    def _wait(self, seconds: float) -> Outcome:
        """The next answer; what goes beyond a limit meanwhile ends the process."""
        until = time.monotonic() + seconds
        while True:
            try:
                reply = self._answers.get(timeout=_GLANCE)
            except queue.Empty:
                reason = self._beyond(until, seconds)
                if reason is None:
                    continue
                self.close()
                return Outcome(went_wrong=reason, ended=True)
            if reply is None:
                return Outcome(went_wrong=self._ending(), ended=True)
            reason = self._beyond(float("inf"), seconds)  # what printed or took too much is no answer
            if reason is not None:
                self.close()
                return Outcome(went_wrong=reason, ended=True)
            return _outcome(reply)

    def _beyond(self, until: float, seconds: float) -> str | None:
        if time.monotonic() > until:
            return f"It did not end within {seconds:g} seconds. Is there a loop that never ends?"
        with contextlib.suppress(OSError):
            if self._printed.stat().st_size > self.limits.printed:
                return f"It printed more than {self.limits.printed / 2**20:g} MB. Take the print calls out of loops."
        if self._base is not None and resident(self._process.pid) > self._base + self.limits.memory:
            return f"It took more than {self.limits.memory / 2**30:g} GB of memory."
        return self._beyond_disk()

    def _beyond_disk(self) -> str | None:
        folder, most = self.room.folder, self.limits.written
        if folder is not None and most is not None and on_disk(folder, most) > most:
            return f"It wrote more than {most / 2**20:g} MB into files."
        return None

    def _ending(self) -> str:
        try:
            code = self._process.wait(_LEAVING)
        except subprocess.TimeoutExpired:  # it lives, and what it sends is no answer
            self.close()
            return "It wrote into the files of the process that runs it. Give answers by return."
        self.close()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"It ended Python itself ({how}): is there an exit() in it?"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._answers.put(read_frame(self._process.stdout))
        except (EOFError, OSError, ValueError, FrameError):
            self._answers.put(None)


def _outcome(reply: Any) -> Outcome:
    """Of a frame that came; the learner's code may have written it, whatever it holds."""
    if not isinstance(reply, dict):
        return Outcome(went_wrong="It wrote into the files of the process that runs it. Give answers by return.")
    raised = reply.get("raised")
    return Outcome(answer=reply.get("answer"), went_wrong=None if raised is None else str(raised))


def _ours() -> dict[str, str]:
    """What this process's interpreter finds packages by, for the other one."""
    return {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
