"""Answers for very many images: decoded ahead and concluded behind in threads, while the models are at work."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from medgraft.data import image_size
from medgraft.errors import DataError
from medgraft.inference.answer import Answer
from medgraft.inference.answerer import Answerer, Seen
from medgraft.prediction import Array

BATCH = 16
"""Images in one forward pass, at most."""
PIXELS = 1 << 26
"""Pixels of the images of a batch, at most, unless one image alone has more; four batches are in memory at once."""

R = TypeVar("R")
Image = str | Path | Array
Finish = Callable[[Image, Seen, Answer], R]


def batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    """Images in their order, a batch at a time; the same images always make the same batches."""
    batch: list[Image] = []
    held = 0
    for image in images:
        pixels = _pixels(image)
        if batch and (len(batch) == BATCH or held + pixels > PIXELS):
            yield batch
            batch, held = [], 0
        batch.append(image)
        held += pixels
    if batch:
        yield batch


def answers(answerer: Answerer, images: Iterable[Image]) -> Iterator[Answer]:
    """Answer images in their order; raises DataError at the first that cannot be read."""
    for batch in stream(answerer, batches(images), _answer_alone):
        for answer in batch:
            if isinstance(answer, DataError):
                raise answer
            yield answer


def stream(answerer: Answerer, batched: Iterable[Sequence[Image]], finish: Finish[R]) -> Iterator[list[R | DataError]]:
    """Answer batch by batch, in order.

    Parameters
    ----------
    batched : images, a batch at a time; taken only as they are needed, two batches ahead of the answers.
    finish : called in a thread with each image, what was read of it, and the answer.

    Yields
    ------
    What ``finish`` returned for each image of a batch, or the DataError of one that cannot be read.
    """
    # One more than the cores: reading waits for a disk now and then.
    pool = ThreadPoolExecutor((os.cpu_count() or 1) + 1)
    looked: deque[tuple[Sequence[Image], list[Future[Seen | DataError]]]] = deque()
    finished: deque[list[Future[R | DataError]]] = deque()

    def work() -> None:
        images, futures = looked.popleft()
        finished.append(_weighed(answerer, pool, images, [future.result() for future in futures], finish))

    try:
        for images in batched:
            looked.append((images, [pool.submit(_look, answerer, image) for image in images]))
            if len(looked) > 1:
                work()
            if len(finished) > 1:
                yield [future.result() for future in finished.popleft()]
        while looked:
            work()
        while finished:
            yield [future.result() for future in finished.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def _weighed(
    answerer: Answerer,
    pool: ThreadPoolExecutor,
    images: Sequence[Image],
    seen: Sequence[Seen | DataError],
    finish: Finish[R],
) -> list[Future[R | DataError]]:
    read = [one for one in seen if isinstance(one, Seen)]
    opinions = iter(answerer.weigh(read) if read else [])

    def conclude(image: Image, one: Seen | DataError, said: Sequence[Array]) -> R | DataError:
        if isinstance(one, DataError):
            return one
        return finish(image, one, answerer.conclude(one, said))

    return [
        pool.submit(conclude, image, one, next(opinions) if isinstance(one, Seen) else ())
        for image, one in zip(images, seen, strict=True)
    ]


def _answer_alone(image: Image, seen: Seen, answer: Answer) -> Answer:
    return answer


def _look(answerer: Answerer, image: Image) -> Seen | DataError:
    try:
        return answerer.look(image)
    except DataError as error:
        return error


def _pixels(image: Image) -> int:
    """Of one image, from its header alone; 0 where that cannot be read, which is said when the image is."""
    if isinstance(image, np.ndarray):
        return int(np.prod(image.shape[:2]))
    try:
        height, width = image_size(image)
    except DataError:
        return 0
    return height * width
