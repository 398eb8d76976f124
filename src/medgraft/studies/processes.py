"""Cells in several processes of this machine; one that dies takes its cell with it and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from medgraft.data import Manifest
from medgraft.studies.cell import Cell
from medgraft.studies.folder import Study
from medgraft.studies.row import Row
from medgraft.studies.runner import Done

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PATIENCE = 10.0
"""Seconds that a process may take to end before it is killed."""


@dataclass
class _Worker:
    """A process and what it trains now."""

    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None


@dataclass(frozen=True)
class Processes:
    """Each of ``jobs`` processes trains one cell after another, on its share of the cores.

    They are started anew (``spawn``), so a script that calls this is guarded by ``if __name__ == "__main__"``.
    """

    jobs: int

    def run(self, study: Study, manifest: Manifest, cells: Sequence[Cell], done: Done) -> None:
        """See :class:`~medgraft.studies.runner.Runner`."""
        waiting = deque(cells)
        workers: list[_Worker] = []
        try:
            while waiting or any(worker.cell for worker in workers):
                while waiting and len(workers) < min(self.jobs, len(waiting) + sum(bool(w.cell) for w in workers)):
                    workers.append(self._start(study, manifest))
                for worker in workers:
                    if worker.cell is None and waiting:
                        _give(worker, waiting.popleft())
                for worker in _heard(workers):
                    row = _answer(worker)
                    if row is None:
                        workers.remove(worker)
                        row = _lost(worker, study)
                    worker.cell = None
                    done(row)
        finally:
            _end(workers)

    def _start(self, study: Study, manifest: Manifest) -> _Worker:
        import torch

        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, torch.get_num_threads() // self.jobs)
        process = context.Process(target=_work, args=(study.folder, manifest, theirs, threads))
        with _threads(threads):
            process.start()
        theirs.close()
        return _Worker(process, ours)


def _give(worker: _Worker, cell: Cell) -> None:
    worker.cell = cell
    with suppress(OSError):  # it has died: that is found when it is listened to
        worker.pipe.send(cell)


def _heard(workers: Sequence[_Worker]) -> list[_Worker]:
    """Those that have something to say, or have died; waits until there is one."""
    busy = [worker for worker in workers if worker.cell is not None]
    ready = wait([*(worker.pipe for worker in busy), *(worker.process.sentinel for worker in busy)])
    return [worker for worker in busy if worker.pipe in ready or worker.process.sentinel in ready]


def _answer(worker: _Worker) -> Row | None:
    """The row that it sends; None where it died before it could."""
    with suppress(EOFError, OSError):
        if worker.pipe.poll():
            row: Row = worker.pipe.recv()
            return row
    return None


def _lost(worker: _Worker, study: Study) -> Row:
    worker.process.join(_PATIENCE)
    worker.pipe.close()
    code = worker.process.exitcode
    cell = worker.cell
    assert cell is not None
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        how = f"was killed by signal {-code} ({name})"
        if -code == signal.SIGKILL:
            how += ", which the system does when memory runs out: fewer --jobs or a smaller --batch-size may do"
    else:
        how = f"ended by itself (exit code {code})"
    sentence = f"the process that trained this cell {how}; --resume trains it again"
    return Row(cell, str(study.plan.data["name"]), "failed", error=sentence)


def _end(workers: Sequence[_Worker]) -> None:
    """Those that wait for work leave when their pipe closes; those that work are told to stop."""
    for worker in workers:
        worker.pipe.close()
        if worker.cell is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """The environment that a process started here reads its number of threads from."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(folder: Path, manifest: Manifest, pipe: Connection, threads: int) -> None:
    """The life of a worker: a cell comes in, its row goes out, until the pipe closes."""
    import torch

    from medgraft.studies.desk import Desk
    from medgraft.studies.training import run_cell

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all at once; the first process ends the others
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    desk = Desk(Study(folder), manifest)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(run_cell(desk, pipe.recv()))


def _leave_with_parent() -> None:
    """A study that was killed must not go on in processes that nobody sees."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
