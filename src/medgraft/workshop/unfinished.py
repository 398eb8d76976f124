"""What was graded before a grading was broken off, so that it can go on to the same table."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from medgraft.errors import RunError
from medgraft.files import write_text
from medgraft.version import __version__
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.marking import Row
from medgraft.workshop.submissions import Submission

_KEY = 32
"""Bytes of the secret from which the cases are drawn."""


class Unfinished:
    """Rows as they are finished; without a ``path`` they are kept nowhere.

    Attributes
    ----------
    key : from which the cases are drawn; the same one when a grading goes on.
    """

    def __init__(self, path: Path | None = None, head: dict[str, Any] | None = None) -> None:
        self._path = path
        self._head = {"key": secrets.token_hex(_KEY), **(head or {})}
        self._rows: dict[str, Row] = {}
        self._begun = path is None

    @property
    def key(self) -> bytes:
        """The secret."""
        return bytes.fromhex(self._head["key"])

    @classmethod
    def anew(cls, path: Path, conditions: dict[str, Any]) -> Unfinished:
        """A new one, in place of an older one at ``path``."""
        return cls(path, _conditions(conditions))

    @classmethod
    def resumed(cls, path: Path, conditions: dict[str, Any]) -> Unfinished:
        """Go on with the one at ``path``; where there is none, a new one.

        Raises
        ------
        RunError
            Where it was graded under other conditions, or cannot be read.
        """
        if not path.exists():
            return cls.anew(path, conditions)
        try:
            first, *rest, half = path.read_text(encoding="utf-8").split("\n")
            head = json.loads(first)
            found = cls(path, head)
            found._begun = bool(found.key)
            for line in rest:
                kept = json.loads(line)
                found._rows[str(kept["digest"])] = Row(
                    str(kept["learner"]), {n: str(kept["marks"][n]) for n in EXERCISES}
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} cannot be read as an unfinished grading ({type(error).__name__}). Leave out --resume to begin "
                "anew."
            ) from None
        if head != {"key": head["key"], **_conditions(conditions)}:
            raise RunError(f"{path} was graded with other limits or another version. Leave out --resume to begin anew.")
        if half:  # the last line was being written when all broke off
            write_text(path, "".join(f"{line}\n" for line in (first, *rest)))
            path.chmod(0o600)
        return found

    def begin(self) -> None:
        """Write down under which conditions; before anything is graded, so that a full disk is noticed."""
        if self._path is not None and not self._begun:
            write_text(self._path, json.dumps(self._head) + "\n")
            self._path.chmod(0o600)
            self._begun = True

    def row(self, submission: Submission) -> Row | None:
        """What came of a submission before, if it is the same still."""
        return self._rows.get(_digest(submission))

    def keep(self, submission: Submission, row: Row) -> None:
        """Keep a row at once."""
        if self._path is None:
            return
        line = json.dumps({"digest": _digest(submission), "learner": row.learner, "marks": dict(row.marks)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def done(self) -> None:
        """All is graded, and the table is written."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _conditions(given: dict[str, Any]) -> dict[str, Any]:
    return {"format": 1, "version": __version__, **given}


def _digest(submission: Submission) -> str:
    """Of all that is tried of a submission, and of whom it is."""
    told: list[Any] = [submission.learner]
    for handed in submission.files:
        told.append([handed.where, [[cell.kind, cell.exercise, cell.source] for cell in handed.notebook.cells]])
    modules = {where: hashlib.sha256(content).hexdigest() for where, content in submission.modules.items()}
    return hashlib.sha256(json.dumps([told, modules], sort_keys=True).encode()).hexdigest()
