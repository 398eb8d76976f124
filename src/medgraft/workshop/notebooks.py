"""The workshop's notebooks: where they lie, what a learner gets, and their solved form."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from medgraft.errors import RunError
from medgraft.workshop.catalogue import solution_of
from medgraft.workshop.notebook import Cell, Notebook, read_notebook

_PACKAGE = Path(__file__).parents[1]
_ROOTS = (_PACKAGE / "workshop" / "material", _PACKAGE.parents[1])
"""Where ``workshop/`` and ``docs/`` lie: in a built package (see ``setup.py``), or at the root of a checkout."""


def notebook_files() -> list[Path]:
    """The notebooks that a learner gets (``NN_name.ipynb``), in their order.

    Raises
    ------
    RunError
        Where this installation has none.
    """
    for root in _ROOTS:
        found = sorted((root / "workshop").glob("[0-9][0-9]_*.ipynb"))
        if found:
            return found
    raise RunError(
        "this installation of medgraft has no notebooks. Install it again: pip install 'medgraft[workshop]'."
    )


def doc_files() -> dict[str, Path]:
    """The pages that the notebooks link to, by their path below ``docs``; not those that show the notebooks solved."""
    for root in _ROOTS:
        found = [page for page in sorted((root / "docs").rglob("*.md")) if page.parent.name != "workshop"]
        if found:
            return {path.relative_to(root / "docs").as_posix(): path for path in found}
    return {}


def learner_notebook(path: Path) -> Notebook:
    """What a learner gets, from the text of a notebook: with stubs, and what nbgrader and nbconvert want to know."""
    return with_slides(with_nbgrader(read_notebook(path)))


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
    return Notebook(tuple(cells))


def with_slides(notebook: Notebook) -> Notebook:
    """The same with the metadata that ``nbconvert --to slides`` reads.

    A text with a heading begins a slide, another one a slide below it; checks and quizzes are left out.
    """

    def kind(cell: Cell) -> str:
        if cell.kind == "markdown":
            return "slide" if cell.source.startswith("#") else "subslide"
        return "skip" if {"check", "quiz"} & set(cell.tags) else "-"

    return Notebook(
        tuple(
            replace(cell, metadata={"slideshow": {"slide_type": kind(cell)}, **cell.metadata})
            for cell in notebook.cells
        )
    )


def solved(notebook: Notebook) -> Notebook:
    """The same with the workshop's own solution in the cell of each exercise."""
    return Notebook(
        tuple(
            cell if cell.exercise is None else replace(cell, source=solution_cell(cell.exercise))
            for cell in notebook.cells
        )
    )


def solution_cell(exercise: str) -> str:
    """The source of a solution, without the line that says what the file is."""
    source = solution_of(exercise)
    first = ast.parse(source).body[0]
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    lines = source.splitlines()
    return "\n".join(lines[first.end_lineno :] if said else lines).strip("\n")
