"""Collecting single items to batches, which threads work on."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class BatchQueue(Generic[Item, Result]):
    """Items wait here until a thread takes as many as go together.

    The bound is not here: who asks holds room for its items (see :class:`medgraft.serving.limits.Room`), and an item
    whose asker has gone is dropped at once.

    Parameters
    ----------
    work : from a list of items to a list of results, one each; what it raises is raised to each asker.
    largest : items that go together.
    patience : seconds that the first item waits for others, unless a whole batch is there.
    threads : that work at the same time.
    seen : is told the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Result]],
        largest: int = 1,
        patience: float = 0.0,
        threads: int = 1,
        seen: Callable[[int], None] | None = None,
    ) -> None:
        self._work, self._largest, self._patience, self._seen = work, largest, patience, seen
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed = Condition()
        self._closed = False
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, item: Item) -> Result:
        """Return the result for an item; where the asker is cancelled, the item leaves the queue."""
        answer: Future[Result] = Future()
        entry = (item, answer)
        with self._changed:
            if self._closed:
                raise RuntimeError("the queue is closed")
            self._waiting.append(entry)
            self._changed.notify_all()
        try:
            return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            with self._changed:
                self._waiting = deque(other for other in self._waiting if other is not entry)
            raise

    def close(self) -> None:
        """Let the threads end after the batch that they are at; those who still wait are cancelled."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, deque()
            self._changed.notify_all()
        for _, answer in left:
            answer.cancel()

    def _serve(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            self._answer(batch)
            # Nothing of a request is kept while the thread waits for the next one.
            del batch

    def _next_batch(self) -> list[tuple[Item, Future[Result]]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            until = time.monotonic() + self._patience
            while len(self._waiting) < self._largest and not self._closed:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            if self._closed:
                return None
            taken = [self._waiting.popleft() for _ in range(min(self._largest, len(self._waiting)))]
        return [entry for entry in taken if entry[1].set_running_or_notify_cancel()]

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        if not batch:
            return
        if self._seen:
            self._seen(len(batch))
        try:
            results = self._work([item for item, _ in batch])
            for (_, answer), result in zip(batch, results, strict=True):
                answer.set_result(result)
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
