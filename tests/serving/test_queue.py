"""Batches that form, askers that go, and the room that bounds both."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import RecipeError
from medgraft.serving.limits import BusyError, Limits, Room
from medgraft.serving.queue import BatchQueue


class Slow:
    """Doubles numbers, each batch only once it is let go; keeps the batches that it saw."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Semaphore(0)

    def __call__(self, items):
        self.batches.append(list(items))
        assert self.gate.acquire(timeout=20)
        return [2 * item for item in items]


@pytest.fixture
def slow():
    return Slow()


async def until(true):
    """Wait for something that another thread does."""
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came to that")


def test_what_comes_while_a_batch_runs_goes_together_in_order(slow):
    async def play():
        queue = BatchQueue(slow, largest=4)
        first = asyncio.ensure_future(queue.ask(0))
        await until(lambda: slow.batches)
        others = [asyncio.ensure_future(queue.ask(number)) for number in range(1, 7)]
        await until(lambda: len(queue) == 6)
        for _ in range(3):
            slow.gate.release()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10, 12]
        queue.close()

    asyncio.run(play())
    assert slow.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_patience_lets_a_batch_fill():
    seen = []

    async def play():
        queue = BatchQueue(lambda items: items, largest=3, patience=20.0, seen=seen.append)
        start = time.monotonic()
        assert await asyncio.gather(*(queue.ask(number) for number in range(3))) == [0, 1, 2]
        assert time.monotonic() - start < 10  # a whole batch does not wait
        queue.close()

    asyncio.run(play())
    assert seen == [3]


def test_who_goes_leaves_the_queue(slow):
    async def play():
        queue = BatchQueue(slow)
        running = asyncio.ensure_future(queue.ask(1))
        await until(lambda: slow.batches)
        gone, stays = (asyncio.ensure_future(queue.ask(number)) for number in (2, 3))
        await until(lambda: len(queue) == 2)
        gone.cancel()
        await until(lambda: len(queue) == 1)
        slow.gate.release()
        slow.gate.release()
        assert await asyncio.gather(running, stays) == [2, 6]
        queue.close()

    asyncio.run(play())
    assert slow.batches == [[1], [3]]


def test_who_goes_while_the_work_runs_harms_nobody(slow):
    async def play():
        queue = BatchQueue(slow, largest=2)
        first = asyncio.ensure_future(queue.ask(1))
        await until(lambda: slow.batches)
        first.cancel()
        await asyncio.sleep(0.01)
        slow.gate.release()
        slow.gate.release()
        assert await queue.ask(5) == 10
        queue.close()

    asyncio.run(play())


def test_an_error_reaches_its_askers_and_the_queue_goes_on():
    def divide(items):
        return [1 / item for item in items]

    async def play():
        queue = BatchQueue(divide)
        with pytest.raises(ZeroDivisionError):
            await queue.ask(0)
        assert await queue.ask(4) == 0.25
        queue.close()

    asyncio.run(play())


def test_several_threads_work_at_once():
    meeting = threading.Barrier(3, timeout=20)

    async def play():
        queue = BatchQueue(lambda items: [meeting.wait() for _ in items], threads=3)
        assert sorted(await asyncio.gather(*(queue.ask(number) for number in range(3)))) == [0, 1, 2]
        queue.close()

    asyncio.run(play())


def test_a_closed_queue_cancels_who_waits(slow):
    async def play():
        queue = BatchQueue(slow)
        running = asyncio.ensure_future(queue.ask(1))
        await until(lambda: slow.batches)
        waiting = asyncio.ensure_future(queue.ask(2))
        await until(lambda: len(queue) == 1)
        queue.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        slow.gate.release()
        assert await running == 2
        with pytest.raises(RuntimeError):
            await queue.ask(3)

    asyncio.run(play())


def test_room_is_bounded_and_given_back():
    room = Room(images=3, content=100)
    with room.visit() as first:
        first.take(images=2, content=60)
        with room.visit() as second:
            second.take(images=1)
            for more in ({"images": 1}, {"content": 41}):
                with pytest.raises(BusyError):
                    second.take(**more)
            assert (room.images, room.content) == (3, 60)
        assert room.images == 2
    assert (room.images, room.content) == (0, 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50), st.booleans()), max_size=20))
def test_room_never_holds_more_than_it_has(steps):
    room, open_visits = Room(images=8, content=90), []
    for images, content, leave in steps:
        visit = room.visit()
        open_visits.append(visit)
        try:
            visit.take(images, content)
        except BusyError:
            assert (visit.images, visit.content) == (0, 0)
        if leave:
            open_visits.pop(0).__exit__(None, None, None)
        assert room.images == sum(visit.images for visit in open_visits) <= 8
        assert room.content == sum(visit.content for visit in open_visits) <= 90


@pytest.mark.parametrize("bad", [{"queue": 0}, {"max_bytes": -1}, {"max_pixels": 0}, {"queue": 4, "max_images": 5}])
def test_limits_that_make_no_sense(bad):
    with pytest.raises(RecipeError, match=f"--{[*bad][-1].replace('_', '-')}"):
        Limits(**bad)
