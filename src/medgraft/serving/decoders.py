"""The processes that decode: started when they are wanted, replaced when one hangs or dies."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from queue import SimpleQueue
from threading import Timer
from typing import Any

import numpy as np

from medgraft.serving.decoder import Decoded, Order, receive, send
from medgraft.serving.limits import Limits
from medgraft.serving.queue import BatchQueue
from medgraft.serving.refusal import RefusedError

_GRACE = 2.0
_START_SECONDS = 60.0
_LIFE = 5000
"""Images after which a process is replaced, so that what a codec loses of its memory cannot add up."""

_ENDED = "Decoding it took more time or memory than is allowed, or failed badly; it is damaged, or made to do so."


class Decoders:
    """Decodes files, each in one of a few processes that are bounded in time and memory.

    Parameters
    ----------
    limits : ``max_pixels``, ``max_bytes`` and ``decode_seconds`` of it.
    count : processes; one a core by default, at most 4.
    """

    def __init__(self, limits: Limits, count: int | None = None) -> None:
        self._limits = limits
        count = count or min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self._processes = [_Process(limits) for _ in range(count)]
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self.waiting: BatchQueue[tuple[bytes, Order], Decoded] = BatchQueue(self._work, threads=count)

    def start(self) -> None:
        """Start all processes, so that the first images need not wait for them."""
        for process in self._processes:
            process.start()

    async def decode(self, content: bytes, size: int, channels: int, window: str, pictures: bool) -> Decoded:
        """Decode a file for a model; raises RefusedError for what cannot be used."""
        order = Order(size, channels, window, self._limits.max_pixels, pictures)
        return await self.waiting.ask((content, order))

    def close(self) -> None:
        """End all processes."""
        self.waiting.close()
        for process in self._processes:
            process.end()

    def _work(self, items: list[tuple[bytes, Order]]) -> list[Decoded]:
        process = self._idle.get()
        try:
            return [process.decode(*item) for item in items]
        finally:
            self._idle.put(process)


class _Process:
    """One process; used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._decoded = 0

    def start(self) -> subprocess.Popen[bytes]:
        """The running process, a new one where there is none."""
        if self._running is None or self._running.poll() is not None:
            self.end()
            given = {
                "max_pixels": self._limits.max_pixels,
                "max_bytes": self._limits.max_bytes,
                "seconds": self._limits.decode_seconds,
            }
            # One thread each: the processes share the cores, and each thread's stack counts as memory.
            own = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            own.pop("MEDGRAFT_TOKEN", None)
            self._running = subprocess.Popen(
                # -P: what lies in the current folder is not imported.
                [sys.executable, "-P", "-m", "medgraft.serving.decoder", json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=own,
                start_new_session=True,
            )
        return self._running

    def decode(self, content: bytes, order: Order) -> Decoded:
        """Send a file and wait for what it holds; the process is ended where that takes too long."""
        if self._decoded >= _LIFE:
            self.end()
        process = self.start()
        if not self._ready:
            self._ready = _answer(process, _START_SECONDS) is not None
        # The process bounds its processor time by itself, where the system can; this is the clock on the wall.
        answer = _answer(process, 3 * self._limits.decode_seconds + _GRACE, vars(order), content)
        if answer is None:
            self.end()
            raise RefusedError(422, _ENDED)
        self._decoded += 1
        about, body = answer
        if about["last"]:
            self.end()
        if "sentence" in about:
            raise RefusedError(about["status"], about["sentence"])
        count = int(np.prod(about["shape"])) * np.dtype(about["dtype"]).itemsize
        pixels = np.frombuffer(body[:count], about["dtype"]).reshape(about["shape"])
        return Decoded(about["height"], about["width"], pixels, body[count:])

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._running = self._running, None
        self._ready, self._decoded = False, 0
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _answer(
    process: subprocess.Popen[bytes], seconds: float, about: dict[str, Any] | None = None, body: bytes = b""
) -> tuple[dict[str, Any], bytes] | None:
    """Send a message, if there is one, and wait for the next answer; None where the process has ended or is late."""
    assert process.stdin is not None and process.stdout is not None
    watch = Timer(seconds, process.kill)
    watch.daemon = True
    watch.start()
    try:
        if about is not None:
            send(process.stdin, about, body)
        return receive(process.stdout)
    except OSError:
        return None
    finally:
        watch.cancel()
