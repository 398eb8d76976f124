"""A notebook as a list of cells, from either form that it is kept in: ``.ipynb``, or text with ``# %%`` (jupytext)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgraft.errors import DataError, MedgraftError

_MOST = 64 << 20
"""Bytes of the largest file that is read as a notebook."""
_TEXT = "py:percent"
SUFFIXES = (".ipynb", ".py")
_OF_THE_FORM = ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker")
"""What jupytext keeps in a cell's metadata to write the same text again."""


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
    """Cells in their order."""

    cells: tuple[Cell, ...]

    @property
    def exercises(self) -> tuple[str, ...]:
        """Those whose cells it has, in their order."""
        return tuple(dict.fromkeys(cell.exercise for cell in self.cells if cell.exercise is not None))

    def to_ipynb(self) -> str:
        """The text of an ``.ipynb`` file (format 4.5), with no outputs; of the same cells always the same text."""
        nbformat, _ = _libraries()
        make = {
            "code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }  # fmt: skip
        cells = [
            make[cell.kind](cell.source, metadata=dict(cell.metadata), id=f"cell-{number}")
            for number, cell in enumerate(self.cells)
        ]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
        return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=metadata))) + "\n"


def read_notebook(path: Path) -> Notebook:
    """Read ``.ipynb`` of any version, or ``.py`` with or without cells.

    Raises
    ------
    DataError
        Where it is no notebook.
    MedgraftError
        Where the packages that read it are not installed.
    """
    nbformat, jupytext = _libraries()
    try:
        if path.stat().st_size > _MOST:
            raise DataError(f"{path} is larger than {_MOST >> 20} MB. Clear its outputs and save it again.")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".ipynb":
            plain = json.loads(text)
            # Only the cells of the current format matter; other programs leave out parts that these do not need.
            read = plain if plain["nbformat"] == 4 else nbformat.reads(text, as_version=4)
        else:
            read = jupytext.reads(text, fmt=_TEXT)
        cells = (_cell(cell) for cell in read["cells"])
        return Notebook(tuple(cell for cell in cells if cell.source.strip() or cell.metadata))
    except DataError:
        raise
    except Exception as error:  # whatever a file that somebody made up brings forth in the two packages
        kind = type(error).__name__
        raise DataError(f"{path} cannot be read as a notebook ({kind}). Save it in Jupyter (format 4).") from None


def _cell(plain: Any) -> Cell:
    if plain["cell_type"] not in ("code", "markdown", "raw"):
        raise ValueError(plain["cell_type"])
    source = plain["source"]
    metadata = {str(key): value for key, value in plain.get("metadata", {}).items() if key not in _OF_THE_FORM}
    return Cell(plain["cell_type"], source if isinstance(source, str) else "".join(source), metadata)


def _libraries() -> tuple[Any, Any]:
    """``nbformat`` and ``jupytext``; MedgraftError where they are not installed."""
    if importlib.util.find_spec("nbformat") is None or importlib.util.find_spec("jupytext") is None:
        raise MedgraftError(
            "notebooks are read with nbformat and jupytext, which are not installed: pip install 'medgraft[workshop]'."
        )
    import jupytext
    import nbformat

    return nbformat, jupytext
