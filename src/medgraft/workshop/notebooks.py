"""The workshop's notebooks: where they lie, and their solved form."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import medgraft
from medgraft.errors import RunError
from medgraft.workshop.catalogue import solution_of
from medgraft.workshop.notebook import Cell, Notebook, read_notebook

_PACKED = "material"
"""The folder beside this file that a built package carries them in (see ``setup.py``)."""


def notebook_files() -> list[Path]:
    """The notebooks as text (``NN_name.py``), in their order.

    An installed package carries a copy. In a checkout they are read from ``workshop/`` at its root.

    Raises
    ------
    RunError
        Where neither is there.
    """
    packed = Path(__file__).parent / _PACKED
    root = Path(medgraft.__file__).parents[2] / "workshop"
    for folder in (packed, root):
        found = sorted(folder.glob("[0-9][0-9]_*.py"))
        if found:
            return found
    raise RunError(
        "this installation of medgraft has no notebooks. Install it again: pip install 'medgraft[workshop]'."
    )


def with_nbgrader(notebook: Notebook) -> Notebook:
    """The same with the metadata that nbgrader wants: an exercise's cell is a solution, a check's cell is locked.

    What a cell says of itself already is kept.
    """
    cells: list[Cell] = []
    last: str | None = None
    used: set[str] = set()
    for cell in notebook.cells:
        last = cell.exercise or last
        role = last if cell.exercise else f"check-{last}" if last and "check" in cell.tags else None
        if role is None or "nbgrader" in cell.metadata or role in used:
            cells.append(cell)
            continue
        used.add(role)
        told = {
            "grade": False, "grade_id": role, "locked": cell.exercise is None, "schema_version": 3,
            "solution": cell.exercise is not None, "task": False,
        }  # fmt: skip
        cells.append(replace(cell, metadata={**cell.metadata, "nbgrader": told}))
    return replace(notebook, cells=tuple(cells))


def solved(notebook: Notebook) -> Notebook:
    """The same with the workshop's own solution in the cell of each exercise."""
    return replace(
        notebook,
        cells=tuple(
            cell if cell.exercise is None else replace(cell, source=solution_cell(cell.exercise))
            for cell in notebook.cells
        ),
    )


def solution_cell(exercise: str) -> str:
    """The source of a solution, without the line that says what the file is."""
    source = solution_of(exercise)
    first = ast.parse(source).body[0]
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    lines = source.splitlines()
    return "\n".join(lines[first.end_lineno :] if said else lines).strip("\n")


def with_slides(notebook: Notebook) -> Notebook:
    """The same with the metadata that ``nbconvert --to slides`` reads: a text begins a slide, checks are left out."""

    def kind(cell: Cell) -> str:
        return "slide" if cell.kind == "markdown" else "skip" if {"check", "quiz"} & set(cell.tags) else "-"

    cells = [
        replace(cell, metadata={"slideshow": {"slide_type": kind(cell)}, **cell.metadata}) for cell in notebook.cells
    ]
    return replace(notebook, cells=tuple(cells))


def learner_notebook(path: Path) -> str:
    """The text of the ``.ipynb`` file that a learner gets: it has stubs, and can be graded by nbgrader or shown."""
    return with_slides(with_nbgrader(read_notebook(path))).to_ipynb()
