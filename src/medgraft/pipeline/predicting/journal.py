"""What of a long prediction is done: a line a unit of work, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medgraft.data.formats import file_of
from medgraft.errors import RecipeError
from medgraft.files import write_text

NAME = ".progress.jsonl"

Row = dict[str, Any]

# What is written to a temporary name first (see medgraft.files) stays behind where a process is killed meanwhile.
_HALF_WRITTEN = re.compile(r"\.(.+_(mask|overlay)(\.nii)?|predictions|errors|\.progress)\.[0-9a-f]{12}(\.\w+)+")


class Journal:
    """The rows of the pictures that are done, in a file in the folder of the predictions.

    A line holds the rows of one unit of work, and is written once all its files are; what a killed process left of a
    line is taken for nothing, so its unit is done again as a whole, by the same batches as the first time.

    Parameters
    ----------
    out : the folder of the predictions.
    settings : all that decides what is written besides the pictures.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.path = out / NAME
        self.settings = dict(settings)
        self._done: dict[str, tuple[list[Any] | None, Row]] = {}
        self._owners: dict[str, set[str]] = {}

    def begin(self) -> None:
        """Forget what was done before."""
        write_text(self.path, json.dumps({"settings": self.settings}) + "\n")

    def resume(self) -> None:
        """Take up what was done before, or begin; RecipeError where it was done with other settings."""
        for file in self.path.parent.rglob(".*"):
            if _HALF_WRITTEN.fullmatch(file.name):
                file.unlink(missing_ok=True)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        if not lines:
            self.begin()
            return
        self._refuse_other(_read(lines[0]) or {})
        whole = [line for line in lines if _read(line) is not None]
        for line in whole[1:]:
            noted = json.loads(line)["rows"]
            self._done |= {row["image"]: (state, row) for row, state in noted}
            self._own([row for row, _ in noted])
        if len(whole) < len(lines):
            write_text(self.path, "".join(f"{line}\n" for line in whole))

    def rows_of(self, addresses: Sequence[str]) -> list[Row] | None:
        """The rows of pictures, where all are done, none has changed since, and what was written of them is there."""
        rows = []
        for address in addresses:
            state, row = self._done.get(address, (None, {}))
            if state is None or state != _state(address) or not self._has_mask(row):
                return None
            rows.append(row)
        return rows

    def _has_mask(self, row: Row) -> bool:
        """Whether its mask is there, and no other picture's of the same name was written over it since."""
        mask = row.get("mask")
        return not mask or ((self.path.parent / mask).is_file() and row["image"] in self._owners[mask])

    def _own(self, rows: Sequence[Row]) -> None:
        """Note whose masks the rows of a unit have written, all others' of the same names being lost."""
        owned: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            if mask := row.get("mask"):
                owned[mask].add(row["image"])
        self._owners |= owned

    def add(self, rows: Sequence[Row]) -> None:
        """Note the rows of a unit whose files are written."""
        self._own(rows)
        noted = [[row, _state(row["image"])] for row in rows]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"rows": noted}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _refuse_other(self, head: Mapping[str, Any]) -> None:
        before = head.get("settings", {})
        for name in dict.fromkeys([*self.settings, *before]):
            if before.get(name) != self.settings.get(name):
                raise RecipeError(
                    f"{self.path.parent}: was begun with {name} {before.get(name)!r}, now {self.settings.get(name)!r}, "
                    "so it cannot be resumed. Leave out --resume to begin anew, or choose another folder with --out."
                )


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _state(address: str) -> list[int] | None:
    """What changes with the picture's file; None where that has gone."""
    try:
        status = file_of(address).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
