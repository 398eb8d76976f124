"""``medgraft workshop``."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.errors import RecipeError, RunError, counted, listing

if TYPE_CHECKING:
    from medgraft.workshop.unfinished import Unfinished

DESCRIPTION = """Learn transfer learning by doing it, offline, in notebooks whose checks run your code.

start copies the notebooks to DIR, looks whether all is there that they need, and
opens Jupyter Lab. Files that are there stay as they are.
progress tells what you have done.
grade is for teachers: FOLDER holds a folder, or a notebook, for each learner.
Each is tried in a process of its own, with limits; the grades are a CSV with a
row a learner and a column an exercise.
"""

EXAMPLES = """examples:
  begin, or go on
    medgraft workshop start transfer-learning
  copy and look only
    medgraft workshop start transfer-learning --no-open
  what is done, and what is not
    medgraft workshop progress transfer-learning
  grade what 30 people handed in
    medgraft workshop grade submitted/ --out grades.csv
  go on where that was broken off, to the same table
    medgraft workshop grade submitted/ --out grades.csv --resume
"""

START, PROGRESS, GRADE = "start", "progress", "grade"
_SECONDS, _MEMORY, _WRITTEN = 600.0, 2048, 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, where, and the limits of grading."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft workshop [start DIR | progress [DIR] | grade FOLDER] [options]"
    parser.add_argument("action", choices=(START, PROGRESS, GRADE), metavar="ACTION", help="start, progress or grade")
    parser.add_argument("place", type=Path, nargs="?", metavar="DIR", help="the folder of the notebooks, or of what "
                        "was handed in")  # fmt: skip
    parser.add_argument("--no-open", action="store_true", help="start: do not open Jupyter Lab")
    parser.add_argument("--out", type=Path, metavar="FILE", help="grade: the table (default: grades.csv)")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help=f"grade: what one submission may take in all (default: {_SECONDS:g})")  # fmt: skip
    parser.add_argument("--memory", type=int, metavar="MB",
                        help=f"grade: what one process may hold beyond PyTorch (default: {_MEMORY})")  # fmt: skip

    parser.add_argument("--workers", type=int, metavar="N",
                        help="grade: submissions at a time (default: one a core)")  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="grade: go on where a grading was broken off")


def run(arguments: argparse.Namespace) -> None:
    """Do what is asked for."""
    _fits(arguments)
    {START: _start, PROGRESS: _progress, GRADE: _grade}[arguments.action](arguments)


def _fits(arguments: argparse.Namespace) -> None:
    """Refuse options of another action, and numbers out of range."""
    if arguments.action != GRADE:
        options = ("out", "seconds", "memory", "workers")
        given = [name for name in options if getattr(arguments, name) is not None] + ["resume"] * arguments.resume
        if given:
            raise RecipeError(f"--{given[0]} is for medgraft workshop grade FOLDER.")
    if arguments.no_open and arguments.action != START:
        raise RecipeError("--no-open is for medgraft workshop start DIR.")
    if arguments.place is None and arguments.action != PROGRESS:
        raise RecipeError(f"which folder? medgraft workshop {arguments.action} DIR.")
    for name in ("seconds", "memory", "workers"):
        value = getattr(arguments, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise RecipeError(f"--{name} must be above 0, not {value:g}.")


def _start(arguments: argparse.Namespace) -> None:
    from medgraft.workshop.starting import copy_notebooks, look_at_setup, open_lab

    folder = arguments.place
    copied = copy_notebooks(folder)
    if copied.written:
        print(f"{counted(len(copied.written), 'notebook')} written: {listing(copied.written)}")
    if copied.kept:
        print(f"{counted(len(copied.kept), 'notebook')} kept as you left them: {listing(copied.kept)}")
    for found in look_at_setup(folder):
        print(f"{'✓' if found.there else '✗'} {found.said}")
    print(folder, flush=True)
    if not arguments.no_open:
        open_lab(folder)


def _progress(arguments: argparse.Namespace) -> None:
    from medgraft.workshop.overview import table
    from medgraft.workshop.record import NAME, place, read_progress

    if arguments.place is not None and not arguments.place.is_dir():
        raise RunError(f"{arguments.place} is no folder. Name the one that holds your notebooks.")
    print(table(read_progress(place() if arguments.place is None else arguments.place / NAME)))


def _grade(arguments: argparse.Namespace) -> None:
    from medgraft.progress import Terminal
    from medgraft.workshop.catalogue import EXERCISES
    from medgraft.workshop.gradebook import harmless, write_grades
    from medgraft.workshop.grading import grade
    from medgraft.workshop.limits import Limits

    out = _table(arguments)
    seconds, memory = arguments.seconds or _SECONDS, arguments.memory or _MEMORY
    unfinished = _unfinished(arguments, out, seconds, memory)
    limits = Limits(memory=memory << 20, written=_WRITTEN)
    terminal = Terminal(sys.stderr)
    try:
        found = grade(arguments.place, limits, seconds, terminal, arguments.workers, unfinished)
    except KeyboardInterrupt:
        terminal.close()
        print("note: the same command with --resume goes on.", file=sys.stderr)
        raise
    finally:
        terminal.close()
    write_grades(found.rows, out)
    unfinished.done()
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    names = [harmless(row.learner) for row in found.rows]
    wide = max(map(len, names))
    for name, row in zip(names, found.rows, strict=True):
        print(f"{name:<{wide}}  {row.passed:>2} of {len(EXERCISES)} passed")
    print(out)


def _table(arguments: argparse.Namespace) -> Path:
    """Where the grades go: never over what was handed in."""
    from medgraft.workshop.notebook import SUFFIXES

    out: Path = arguments.out or Path("grades.csv")
    if out.is_dir():
        raise RunError(f"{out} is a folder. Name a file for the grades: --out grades.csv.")
    if out.suffix in SUFFIXES:
        raise RunError(f"{out} would be taken for something handed in. Name a table for the grades: --out grades.csv.")
    return out


def _unfinished(arguments: argparse.Namespace, out: Path, seconds: float, memory: int) -> Unfinished:
    """What is kept of a grading until its table is written, beside it."""
    from medgraft.workshop.unfinished import Unfinished

    kept = out.with_name(f"{out.name}.unfinished")
    conditions = {"seconds": seconds, "memory": memory}
    return Unfinished.resumed(kept, conditions) if arguments.resume else Unfinished.anew(kept, conditions)
