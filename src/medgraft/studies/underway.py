"""Where a cell is trained by a worker that may be lost: a folder of its own, which becomes the cell's when it is done.

A worker that seems dead may live: on a node that nobody can reach, or after its driver was killed. It goes on writing
to the folder that it was given. So each worker is given a new name, what an earlier one left is renamed to it, and only
the driver, of which a study has one (see ``claimed``), moves a folder to ``cells/ID``. What a lost worker still writes
is under a name that nobody reads.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from medgraft.studies.cell import Cell
from medgraft.studies.folder import Study
from medgraft.studies.row import kept_row

_FOLDER = "underway"
_SEEN = "driver"
_MARK = "@"
"""Stands between a cell's id, which never has it, and what tells one worker's folder from another's."""


class Underway:
    """The folders of a study in which workers train now."""

    def __init__(self, study: Study) -> None:
        self.study, self.folder = study, study.folder / _FOLDER

    def mark(self) -> str:
        """Write what only those see who share this folder, and return it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        token = secrets.token_hex(8)
        (self.folder / _SEEN).write_text(token, encoding="utf-8")
        return token

    def begin(self, cell: Cell, left: Path | None = None) -> Path:
        """A new place to train ``cell`` in, with what the worker at ``left`` did, or what the cell's folder holds."""
        place = self.folder / f"{cell.id}{_MARK}{secrets.token_hex(4)}"
        source = self.study.place(cell) if left is None else left
        self.folder.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            source.rename(place)
        return place

    def end(self, cell: Cell, place: Path) -> None:
        """Make ``place`` the folder of the cell; a cell that is finished already stays as it is."""
        _settle(place, self.study.place(cell))

    def clear(self) -> None:
        """Give every folder here to its cell, and take this one away."""
        for place in sorted(self.folder.glob(f"*{_MARK}*")):
            _settle(place, self.study.folder / "cells" / place.name.rpartition(_MARK)[0])
        shutil.rmtree(self.folder, ignore_errors=True)


def seen(study: Path, token: str) -> bool:
    """Whether this machine sees the study's folder as the one does that wrote ``token``."""
    try:
        return (study / _FOLDER / _SEEN).read_text(encoding="utf-8") == token
    except OSError:
        return False


def _settle(place: Path, cell: Path) -> None:
    if not place.is_dir():
        return
    if cell.is_dir() and kept_row(cell) is not None:
        shutil.rmtree(place, ignore_errors=True)
        return
    if cell.is_dir():
        shutil.rmtree(cell)
    cell.parent.mkdir(parents=True, exist_ok=True)
    place.rename(cell)
