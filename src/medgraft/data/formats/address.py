"""How one picture is named where its file holds several: ``file#part``, a frame of a stack or a slice of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIGN = "#"


@dataclass(frozen=True)
class Address:
    """One picture.

    Attributes
    ----------
    file : the file that holds it.
    part : which of the pictures in it, in the words of the file's format; empty for a file of one picture.
    """

    file: Path
    part: str = ""

    @classmethod
    def parse(cls, text: str | Path) -> Address:
        """Read ``file`` or ``file#part``; a file whose own name has a ``#`` is taken as it is where it exists."""
        text = str(text)
        head, sign, part = text.rpartition(SIGN)
        if not sign or not part or "/" in part or Path(text).is_file():
            return cls(Path(text))
        return cls(Path(head), part)

    def __str__(self) -> str:
        return f"{self.file}{SIGN}{self.part}" if self.part else str(self.file)


def file_of(text: str | Path) -> Path:
    """The file of an address."""
    return Address.parse(text).file
