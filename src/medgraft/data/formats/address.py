"""How one picture is named where its file holds several: ``file#part``, a page of a stack or a slice of a volume."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SIGN = "#"

_PART = re.compile(r"[A-Za-z0-9-]+")
_ENDINGS_OF_TWO = (".nii.gz",)


@dataclass(frozen=True)
class Address:
    """One picture.

    Attributes
    ----------
    file : the file that holds it.
    part : which of the pictures in it, in the words of the file's format (letters, digits and dashes); empty for a
        file of one picture.
    """

    file: Path
    part: str = ""

    @classmethod
    def parse(cls, text: str | Path) -> Address:
        """Read ``file`` or ``file#part``; a file whose own name has a ``#`` is taken as it is where it exists."""
        text = str(text)
        head, _, part = text.rpartition(SIGN)
        if not head or not _PART.fullmatch(part) or os.path.isfile(text):  # noqa: PTH113 - asked for every slice, and five times as fast
            return cls(Path(text))
        return cls(_path(head), part)

    def __str__(self) -> str:
        return f"{self.file}{SIGN}{self.part}" if self.part else str(self.file)

    @property
    def name(self) -> str:
        """The file's name, with the part where there is one."""
        return str(Address(Path(self.file.name), self.part))

    @property
    def stem(self) -> str:
        """The file's name without its ending, with the part where there is one, as ``scan-axial-017``."""
        return f"{stem_of(self.file)}-{self.part}" if self.part else stem_of(self.file)


@lru_cache(maxsize=1024)
def _path(text: str) -> Path:
    """One object for the file of many slices: making it anew for each costs more than all else here."""
    return Path(text)


def file_of(text: str | Path) -> Path:
    """The file of an address."""
    return Address.parse(text).file


def ending_of(file: Path) -> str:
    """The ending of a file's name in small letters; ``.nii.gz`` is one ending."""
    name = file.name.lower()
    return next((ending for ending in _ENDINGS_OF_TWO if name.endswith(ending)), file.suffix.lower())


def stem_of(file: Path) -> str:
    """A file's name without its ending."""
    return file.name[: len(file.name) - len(ending_of(file))]
