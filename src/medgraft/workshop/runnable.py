"""What of a notebook is run to try its exercises: their cells, and of other cells what defines names at no cost."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.notebook import Cell, Notebook

_MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)
_CHEAP = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
)  # fmt: skip
_IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Step:
    """Source to run; ``exercise`` where it is the answer to one, ``where`` as errors name it."""

    source: str
    where: str
    exercise: str | None = None


def steps_of(notebook: Notebook) -> list[Step]:
    """The cells of exercises whole; of others the imports, functions, classes and assignments that call nothing.

    So nothing is trained, drawn or checked, and what ``working`` would put in an object's place stays out. Of the
    imports those are left out whose names nothing of this uses: most of the time goes into loading libraries.
    """
    cells = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.kind == "code"]
    whole = {number: _whole(cell) for number, cell in cells if cell.exercise in EXERCISES}
    cheap = {number: _cheap(_whole(cell)) for number, cell in cells if number not in whole}
    used = _names([_parsed(source) for source in whole.values()], cheap.values())
    steps = []
    for number, cell in cells:
        source = whole[number] if number in whole else _unparsed(cheap[number], used)
        if source.strip():
            steps.append(Step(source, f"cell {number}", cell.exercise if number in whole else None))
    return steps


def _names(trees: Iterable[ast.Module | None], cheap: Iterable[list[ast.stmt]]) -> set[str]:
    """All names that are used in what is run, but for imports of cells that are no exercise's."""
    nodes: list[ast.AST] = [tree for tree in trees if tree is not None]
    nodes += [node for kept in cheap for node in kept if not isinstance(node, _IMPORTS)]
    return {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}


def _whole(cell: Cell) -> str:
    """The source without a notebook's own commands; as it stands where that is no Python either, for its error."""
    for source in (cell.source, _MAGIC.sub("", cell.source)):
        if _parsed(source) is not None:
            return source
    return cell.source


def _cheap(source: str) -> list[ast.stmt]:
    tree = _parsed(source)
    return [] if tree is None else [node for node in tree.body if isinstance(node, _CHEAP) and not _calls(node)]


def _unparsed(kept: list[ast.stmt], used: set[str]) -> str:
    try:
        return "\n".join(ast.unparse(node) for node in kept if not isinstance(node, _IMPORTS) or _binds(node, used))
    except RecursionError:  # an expression of a thousand brackets
        return ""


def _binds(node: ast.Import | ast.ImportFrom, used: set[str]) -> bool:
    bound = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return bool(bound & used) or "*" in bound or getattr(node, "module", None) == "__future__"


def _calls(node: ast.stmt) -> bool:
    """Whether an assignment calls something, which may take long."""
    return isinstance(node, ast.Assign | ast.AnnAssign) and any(isinstance(part, ast.Call) for part in ast.walk(node))


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
