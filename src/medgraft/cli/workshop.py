"""``medgraft workshop``."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from medgraft.errors import RecipeError, RunError, counted, listing

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


def run(arguments: argparse.Namespace) -> None:
    """Do what is asked for."""
    _fits(arguments)
    {START: _start, PROGRESS: _progress, GRADE: _grade}[arguments.action](arguments)


def _fits(arguments: argparse.Namespace) -> None:
    """Refuse options of another action, and numbers out of range."""
    if arguments.action != GRADE:
        given = [name for name in ("out", "seconds", "memory") if getattr(arguments, name) is not None]
        if given:
            raise RecipeError(f"--{given[0]} is for medgraft workshop grade FOLDER.")
    if arguments.no_open and arguments.action != START:
        raise RecipeError("--no-open is for medgraft workshop start DIR.")
    if arguments.place is None and arguments.action != PROGRESS:
        raise RecipeError(f"which folder? medgraft workshop {arguments.action} DIR.")
    for name in ("seconds", "memory"):
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
    from medgraft.workshop.gradebook import write_grades
    from medgraft.workshop.grading import grade
    from medgraft.workshop.limits import Limits

    out = arguments.out or Path("grades.csv")
    if out.is_dir():
        raise RunError(f"{out} is a folder. Name a file for the grades: --out grades.csv.")
    limits = Limits(memory=(arguments.memory or _MEMORY) << 20, written=_WRITTEN)
    terminal = Terminal(sys.stderr)
    try:
        found = grade(arguments.place, limits, arguments.seconds or _SECONDS, terminal)
    finally:
        terminal.close()
    write_grades(found.rows, out)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    wide = max(len(row.learner) for row in found.rows)
    for row in found.rows:
        print(f"{row.learner:<{wide}}  {row.passed:>2} of {len(EXERCISES)} passed")
    print(out)
