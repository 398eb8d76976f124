"""Who trains the cells of a study: this process, one after another, or others (see ``processes``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from medgraft.data import Manifest
from medgraft.studies.cell import Cell
from medgraft.studies.desk import Desk
from medgraft.studies.folder import Study
from medgraft.studies.row import Row
from medgraft.studies.training import run_cell

Done = Callable[[Row], None]


class Runner(Protocol):
    """Trains cells wherever it likes; each is a call of :func:`~medgraft.studies.training.run_cell`."""

    def run(self, study: Study, manifest: Manifest, cells: Sequence[Cell], done: Done) -> None:
        """Train ``cells`` in about their order, and call ``done`` in this process with the row of each.

        A cell whose worker is lost has a row as well: failed, with a sentence that says why.
        """


class InTurn:
    """One cell after another in this process."""

    def run(self, study: Study, manifest: Manifest, cells: Sequence[Cell], done: Done) -> None:
        """See :class:`Runner`."""
        desk = Desk(study, manifest)
        for cell in cells:
            done(run_cell(desk, cell))
