"""A list of images that are left out of a data set before anything else is asked of them.

One image a line: its file, absolute or relative to the data's folder; an address ``file#part``; an id; or a line of
the table that lists it, as ``labels.csv:17``. Behind two spaces and ``#`` follows why. An entry with spaces at its
ends, line breaks or the like is written as a JSON string.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medgraft.data.formats.address import file_of
from medgraft.errors import DataError, counted, listing
from medgraft.files import write_text

if TYPE_CHECKING:
    from medgraft.data.manifest import Manifest

_REASON = re.compile(r"\s+#\s.*$")


@dataclass(eq=False)
class Exclusion:
    """What a list of images leaves out of one data set.

    Attributes
    ----------
    file : the list.
    folder : of the data, which entries are relative to.
    entries : as written, by what they may stand for.
    used : the entries that stood for something so far.
    gone : everything that was left out so far, by its address.
    """

    file: Path
    folder: Path
    entries: dict[str, str]
    used: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, file: str | Path, data: Path) -> Exclusion:
        """Read the list for the data in the folder, or the file, ``data``; DataError where it cannot be read."""
        file = Path(file).expanduser()
        folder = data if data.is_dir() else data.parent
        entries: dict[str, str] = {}
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            raise DataError(f"{file}: no such list of images to exclude.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: cannot be read as a list of images to exclude ({error}).") from None
        for number, line in enumerate(lines, start=1):
            entry = _entry(line, file, number)
            if entry:
                entries |= {entry: entry, _plain(folder / entry): entry}
        if not entries:
            raise DataError(f"{file}: this list of images to exclude names none; leave out --exclude, or fill it.")
        return cls(file, folder, entries)

    def leaves_out(self, *names: str) -> bool:
        """Whether any of the names of one image is on the list: its address, its mask's, its id, its line."""
        for name in names:
            for form in (name, _plain(Path(name)), _plain(file_of(name))):
                if form in self.entries:
                    self.used.add(self.entries[form])
                    self.gone.add(names[0])
                    return True
        return False

    def sentence(self, manifest: Manifest) -> str:
        """How many images it left out of ``manifest``, and which entries stand for none."""
        idle = [entry for entry in dict.fromkeys(self.entries.values()) if entry not in self.used]
        images = "1 image" if len(self.gone) == 1 else f"{len(self.gone)} images"
        # Names of files that tell who a patient is are kept out of the notes, whoever wrote them.
        named = counted(len(idle), "name") + " of the list" if manifest.withheld else listing(idle)
        rest = f"; nothing here is called {named}" if idle else ""
        return f"{self.file.name}: {images} left out{rest}"


_ACTIVE: ContextVar[Exclusion | None] = ContextVar("exclusion", default=None)


@contextmanager
def excluding(exclusion: Exclusion | None) -> Iterator[None]:
    """Within, :func:`left_out` asks ``exclusion``."""
    token = _ACTIVE.set(exclusion)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def apply_exclusion(manifest: Manifest, file: str | Path) -> Manifest:
    """Return the manifest without the images of a list, and with a note on them."""
    exclusion = Exclusion.read(file, manifest.root)
    with excluding(exclusion):
        left = replace(manifest)  # a manifest asks the list in force when it is made
        return left.with_notes(exclusion.sentence(left))


def in_force() -> bool:
    """Whether there is a list that :func:`left_out` asks."""
    return _ACTIVE.get() is not None


def left_out(*names: str) -> bool:
    """Whether the image of these names (address first) is on the list that is in force, if there is one."""
    exclusion = _ACTIVE.get()
    return exclusion is not None and exclusion.leaves_out(*names)


def without_excluded(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The table without the rows that the list in force names by one of the columns ``names`` (address first)."""
    if not in_force():
        return table
    rows = zip(*(table[name].astype(str) for name in names), strict=True)
    kept = np.array([not left_out(*row) for row in rows], bool)
    return table[kept].reset_index(drop=True)


def write_exclusion(path: str | Path, reasons: Iterable[tuple[str, str]], heading: str) -> None:
    """Write a list of pairs (entry, why); ``heading`` is a comment at its top. Whole or not at all."""
    rows = [(_written(entry), " ".join(why.split())) for entry, why in reasons]
    width = min(60, max((len(entry) for entry, _ in rows), default=0))
    lines = [f"# {heading}", *(f"{entry:<{width}}  # {why}" for entry, why in rows)]
    write_text(path, "\n".join(lines) + "\n")


def entry_for(address: str, data: Path) -> str:
    """How an image is written in a list: relative to the data's folder where it lies in it, else as it is."""
    folder = data if data.is_dir() else data.parent
    try:
        return Path(address).relative_to(folder).as_posix()
    except ValueError:
        return address


def _entry(line: str, file: Path, number: int) -> str:
    if line.lstrip().startswith("#"):
        return ""
    if not line.startswith('"'):
        return _REASON.sub("", line).strip()
    try:
        entry, _ = json.JSONDecoder().raw_decode(line)
    except ValueError:
        raise DataError(f"{file}: line {number} begins with a quote and is no JSON string: {line}") from None
    return str(entry)


def _written(entry: str) -> str:
    plain = entry.isprintable() and entry == entry.strip() and not entry.startswith(('"', "#"))
    return entry if plain and not _REASON.search(entry) else json.dumps(entry)


def _plain(path: Path) -> str:
    return os.path.normpath(path)
