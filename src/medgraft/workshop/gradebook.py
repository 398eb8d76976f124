"""Grades as a table that any spreadsheet opens."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from medgraft.files import write_text
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.marking import Row

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of something to be worked out."""


def write_grades(rows: tuple[Row, ...], path: Path) -> None:
    """Write a row a learner and a column an exercise, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learner", "passed", *EXERCISES])
    for row in rows:
        writer.writerow([harmless(row.learner), row.passed, *(row.marks[name] for name in EXERCISES)])
    write_text(path, text.getvalue())


def harmless(name: str) -> str:
    """A name that a spreadsheet does not execute, in a line; learners choose those of their folders."""
    name = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)
    return f"'{name}" if name.lstrip().startswith(_FORMULA) else name
