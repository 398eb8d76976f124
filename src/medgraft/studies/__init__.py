"""Studies: many runs that differ in what a grid says, on one split and on equal terms.

The names are loaded when they are first used: the processes that train cells load PyTorch when its threads are set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgraft.lazy import lazy_names

if TYPE_CHECKING:
    from medgraft.studies.cell import Cell
    from medgraft.studies.conduct import study
    from medgraft.studies.folder import Study
    from medgraft.studies.grid import Grid
    from medgraft.studies.sourcing import sources

_PLACES = {
    "Cell": "medgraft.studies.cell:Cell",
    "Grid": "medgraft.studies.grid:Grid",
    "Study": "medgraft.studies.folder:Study",
    "sources": "medgraft.studies.sourcing:sources",
    "study": "medgraft.studies.conduct:study",
}

__all__ = ["Cell", "Grid", "Study", "sources", "study"]

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
