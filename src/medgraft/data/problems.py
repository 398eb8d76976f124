"""What becomes of data that cannot be used as it is: an error at once, or, for an inspection, a list of all of it.

A training refuses the first thing that is wrong. An inspection wants to know all of them and to look at the rest, so
it opens its data within :func:`collecting`, as :func:`warnings.catch_warnings` collects warnings: whoever meets a
problem calls :func:`refuse`, and where that returns, leaves out what the problem is about and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from medgraft.errors import DataError

ProblemKind = Literal[
    "unreadable files",  # whose headers say what there is, and cannot be read
    "missing images",  # files that a table names and that are not there
    "missing masks",
    "no image file",  # rows that name none
    "no mask",  # rows that name none, or images without one
    "no label",
    "masks not drawn",  # of annotations, or of images whose size cannot be read
    "masks without image",
    "masks elsewhere",  # of other voxels, or another number of pictures, than their image
    "doubled names",  # a.png and a.jpg
    "listed twice",
    "two labels",  # one file, listed under several
    "contradicted labels",  # a table beside class folders
    "contradicted splits",
    "unknown splits",
    "torn groups",
    "unreadable class",
    "one class",
    "one image",
]


@dataclass(frozen=True)
class Problem:
    """Something that a training refuses.

    Attributes
    ----------
    kind : what is wrong, the same for all of its kind.
    sentence : what a training says of it: what, where, what to do.
    places : all that it is about: files, groups, or lines of a table (``labels.csv:17``).
    """

    kind: ProblemKind
    sentence: str
    places: tuple[str, ...] = ()


_FOUND: ContextVar[list[Problem] | None] = ContextVar("problems", default=None)


@contextmanager
def collecting() -> Iterator[list[Problem]]:
    """Within, :func:`refuse` adds to the list that this yields, in this thread, and raises nothing."""
    found: list[Problem] = []
    token = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(token)


def refuse(kind: ProblemKind, sentence: str, places: Iterable[object] = ()) -> None:
    """Raise DataError with ``sentence``; within :func:`collecting`, keep it and return.

    Whoever goes on after it must first leave out what ``places`` are, or make sure that no harm comes of them.
    """
    found = _FOUND.get()
    if found is None:
        raise DataError(sentence)
    problem = Problem(kind, sentence, tuple(map(str, places)))
    if problem not in found:  # a manifest is checked again whenever a note is added to it
        found.append(problem)
