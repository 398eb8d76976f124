"""Grading: every submission is tried on its own, several at a time, a row a learner."""

from __future__ import annotations

import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from medgraft.progress import Observer
from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.emptying import temporary_folder
from medgraft.workshop.limits import Limits
from medgraft.workshop.marking import Conditions, Row, in_a_line, mark
from medgraft.workshop.room import Walls, walls_here
from medgraft.workshop.submissions import Submission, read_submissions
from medgraft.workshop.unfinished import Unfinished

_GLANCE = 0.5
"""Seconds between two looks whether somebody wants to break off."""


@dataclass(frozen=True)
class Grades:
    """A row for each learner, and what a teacher should know beside them, a sentence each."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grade(
    folder: Path, limits: Limits, seconds: float, observer: Observer | None = None, workers: int | None = None,
    unfinished: Unfinished | None = None,
) -> Grades:  # fmt: skip
    """Grade all that was handed in.

    Parameters
    ----------
    folder : a folder or a notebook for each learner.
    limits : of each process; ``limits.seconds`` are those of a cell.
    seconds : that a submission may take in all.
    workers : submissions at a time; None: one a core.
    unfinished : keeps what is done, and knows what was done before; what was changed since is graded again.

    Raises
    ------
    DataError
        Where the folder holds no submissions.
    """
    observer = observer or Observer()
    submissions = read_submissions(folder)
    unfinished = unfinished or Unfinished()
    unfinished.begin()
    for name in EXERCISES:  # before anything is run that might change the files they are in
        exercise_of(name)
    with temporary_folder("grading-") as rooms:
        walls = _walls(folder.resolve(), rooms)
        under = Conditions(limits, seconds, walls, unfinished.key, rooms)
        rows = _rows(submissions, under, observer, workers or cores(), unfinished)
    notes = [in_a_line(note) for submission in submissions for note in submission.unread]
    return Grades(tuple(rows), (*_warnings(walls), *notes))


def _walls(folder: Path, rooms: Path) -> Walls:
    """Around each submission; from inside, those of others cannot be seen, unless Python itself lies among them."""
    package = Path(__file__).parents[1]
    needed = [Path(place).resolve() for place in [sys.prefix, sys.base_prefix, str(package), *sys.path] if place]
    hidden = [place for place in (folder, rooms) if not any(path.is_relative_to(place) for path in needed)]
    return walls_here((package, folder, Path.home()), tuple(hidden))


def _warnings(walls: Walls) -> list[str]:
    said = {
        "network": "this system does not let us close the network: submissions can reach it.",
        "files": "this system does not let us close the disk: submissions run with your rights to files. Grade "
        "those of strangers in a container.",
    }
    return [said[what] for what in walls.left_open]


def _rows(
    submissions: list[Submission], under: Conditions, observer: Observer, workers: int, unfinished: Unfinished
) -> list[Row]:
    """In their order; whatever breaks off, no process of a submission is left behind."""
    rows = {place: row for place, one in enumerate(submissions) if (row := unfinished.row(one)) is not None}
    observer.working("submissions", len(rows), len(submissions))
    with ThreadPoolExecutor(workers) as pool:
        waiting: dict[Future[Row], int] = {
            pool.submit(_marked, one, under): place for place, one in enumerate(submissions) if place not in rows
        }
        try:
            while waiting:
                done, _ = wait(waiting, _GLANCE, FIRST_COMPLETED)
                for future in done:
                    place = waiting.pop(future)
                    rows[place] = future.result()
                    unfinished.keep(submissions[place], rows[place])
                observer.working("submissions", len(rows), len(submissions))
        except BaseException:
            under.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [rows[place] for place in range(len(submissions))]


def _marked(submission: Submission, under: Conditions) -> Row:
    """The row of a submission. Whatever it does to us, it does to its own row alone."""
    try:
        return mark(submission, under)
    except Exception as error:
        said = in_a_line(f"failed: it could not be graded ({type(error).__name__}: {error})")
        return Row(submission.learner, dict.fromkeys(EXERCISES, said))
