"""What of a notebook is run to try its exercises: their cells, and of other cells what defines names at no cost."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.notebook import Cell, Notebook

_MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)
_CHEAP = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """Source to run; ``exercise`` where it is the answer to one, ``where`` as errors name it."""

    source: str
    where: str
    exercise: str | None = None


def steps_of(notebook: Notebook) -> list[Step]:
    """The cells of exercises whole; of others the imports, functions, classes and assignments that call nothing.

    So nothing is trained, drawn or checked, and what ``working`` would put in an object's place stays out.
    """
    steps = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.kind != "code":
            continue
        exercise = cell.exercise if cell.exercise in EXERCISES else None
        source = _whole(cell) if exercise else _cheap(cell)
        if source.strip():
            steps.append(Step(source, f"cell {number}", exercise))
    return steps


def _whole(cell: Cell) -> str:
    """The source without a notebook's own commands; as it stands where that is no Python either, for its error."""
    for source in (cell.source, _MAGIC.sub("", cell.source)):
        if _parsed(source) is not None:
            return source
    return cell.source


def _cheap(cell: Cell) -> str:
    tree = _parsed(_whole(cell))
    if tree is None:
        return ""
    kept = [node for node in tree.body if isinstance(node, _CHEAP) and not _calls(node)]
    try:
        return "\n".join(ast.unparse(node) for node in kept)
    except RecursionError:  # an expression of a thousand brackets
        return ""


def _calls(node: ast.stmt) -> bool:
    """Whether an assignment calls something, which may take long."""
    return isinstance(node, ast.Assign | ast.AnnAssign) and any(isinstance(part, ast.Call) for part in ast.walk(node))


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
