"""A notebook as a list of cells, from either form that it is kept in: ``.ipynb``, or text with ``# %%`` (jupytext)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgraft.errors import DataError

_MARK = re.compile(r"^# %%(?P<rest>.*)$")
_OPTION = re.compile(r"(?P<key>[A-Za-z_][\w-]*)=")
_MOST = 64 << 20
"""Bytes of the largest file that is read as a notebook."""
SUFFIXES = (".ipynb", ".py")


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes
    ----------
    kind : ``code``, ``markdown`` or ``raw``.
    metadata : ``tags``, ``exercise`` and what other tools keep there.
    """

    kind: str
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> tuple[str, ...]:
        """What the cell is marked as: ``exercise``, ``check``, ``quiz``."""
        tags = self.metadata.get("tags")
        return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()

    @property
    def exercise(self) -> str | None:
        """The exercise whose answer belongs into this cell."""
        name = self.metadata.get("exercise")
        return name if self.kind == "code" and isinstance(name, str) else None


@dataclass(frozen=True)
class Notebook:
    """Cells in their order, and the notebook's own metadata."""

    cells: tuple[Cell, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exercises(self) -> tuple[str, ...]:
        """Those whose cells it has, in their order."""
        return tuple(dict.fromkeys(cell.exercise for cell in self.cells if cell.exercise is not None))

    def to_ipynb(self) -> str:
        """The text of an ``.ipynb`` file (format 4.5), with no outputs."""
        cells = [_plain_cell(cell, number) for number, cell in enumerate(self.cells)]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, **self.metadata}
        plain = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def read_notebook(path: Path) -> Notebook:
    """Read ``.ipynb``, or ``.py`` with or without cells; raises DataError where it is none."""
    try:
        if path.stat().st_size > _MOST:
            raise DataError(f"{path} is larger than {_MOST >> 20} MB. Clear its outputs and save it again.")
        text = path.read_text(encoding="utf-8-sig")
        return _from_ipynb(json.loads(text)) if path.suffix == ".ipynb" else from_percent(text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        kind = type(error).__name__
        raise DataError(f"{path} cannot be read as a notebook ({kind}). Save it in Jupyter (format 4).") from None


def _from_ipynb(plain: Any) -> Notebook:
    cells = []
    for cell in plain["cells"]:
        source = cell["source"]
        joined = source if isinstance(source, str) else "".join(source)
        metadata = cell.get("metadata", {})
        cells.append(Cell(str(cell["cell_type"]), joined, metadata if isinstance(metadata, dict) else {}))
    return Notebook(tuple(cells), dict(plain.get("metadata", {})))


def from_percent(text: str) -> Notebook:
    """A notebook from text in which a line ``# %%`` begins a cell; text before the first one is a cell of code.

    A head of comments between two lines ``# ---`` is the notebook's own metadata, written by jupytext; it is left out.
    """
    cells: list[Cell] = []
    kind = "code"
    metadata: dict[str, Any] = {}
    lines: list[str] = []
    for line in [*_without_head(text.splitlines()), "# %%"]:
        marked = _MARK.match(line)
        if marked is None:
            lines.append(line)
            continue
        source = "\n".join(lines).strip("\n")
        if source.strip() or metadata:
            cells.append(Cell(kind, _uncommented(source) if kind != "code" else source, metadata))
        kind, metadata = _options(marked["rest"])
        lines = []
    return Notebook(tuple(cells))


def _without_head(lines: list[str]) -> list[str]:
    if not lines or lines[0].strip() != "# ---":
        return lines
    end = next((place for place, line in enumerate(lines[1:], 1) if line.strip() == "# ---"), 0)
    return lines[end + 1 :] if end else lines


def _options(rest: str) -> tuple[str, dict[str, Any]]:
    """The kind and the metadata that follow ``# %%``; a title is left out."""
    kind = next((kind for kind in ("markdown", "raw") if f"[{kind}]" in rest), "code")
    metadata: dict[str, Any] = {}
    place = 0
    while (found := _OPTION.search(rest, place)) is not None:
        try:
            value, place = json.JSONDecoder().raw_decode(rest, found.end())
        except ValueError:
            break
        metadata[found["key"]] = value
    return kind, metadata


def _uncommented(source: str) -> str:
    return "\n".join(line.removeprefix("# ") if line.startswith("# ") else line.removeprefix("#")
                     for line in source.splitlines())  # fmt: skip


def _plain_cell(cell: Cell, number: int) -> dict[str, Any]:
    plain = {
        "cell_type": cell.kind, "id": f"cell-{number}", "metadata": dict(cell.metadata),
        "source": cell.source.splitlines(keepends=True),
    }  # fmt: skip
    return plain | {"execution_count": None, "outputs": []} if cell.kind == "code" else plain
