"""What the catalogue knows of one public data set."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from medgraft.errors import RecipeError, listing

Access = Literal["direct", "account", "by hand"]
Unpack = Literal["", "zip", "tar", "gz"]

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(about|up to) ([\d.]+) (B|kB|MB|GB|TB)")


def in_units(count: float) -> str:
    """A number of bytes for people: ``559580`` is ``560 kB``."""
    unit = next((name for name, size in reversed(_UNITS.items()) if count >= size), "B")
    value = count / _UNITS[unit]
    return f"{value:.0f} {unit}" if value >= 99.95 or unit == "B" else f"{value:.3g} {unit}"


@dataclass(frozen=True)
class Size:
    """A number of bytes, and how surely it is known.

    ``kind`` is empty where the number is exact, so that a file of another length is refused; ``about`` and ``up to``
    are for people and for the check of free disk space.
    """

    bytes: int
    kind: Literal["", "about", "up to"] = ""

    @classmethod
    def read(cls, written: int | str) -> Size:
        """Read ``559580`` (exact), ``about 46.2 MB`` or ``up to 16 GB``; raises ValueError for anything else."""
        if isinstance(written, int):
            return cls(written)
        match = _SIZE.fullmatch(written)
        if match is None:
            raise ValueError(f"{written!r} is no size")
        return cls(round(float(match[2]) * _UNITS[match[3]]), "about" if match[1] == "about" else "up to")

    def __str__(self) -> str:
        return f"{self.kind} {in_units(self.bytes)}".strip()


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes
    ----------
    url : where it is, ``https`` (or ``http``).
    name : what it is called here; by default the last part of the address.
    size : its length, None where nobody says.
    md5, sha256 : its checksums, empty where nobody says.
    unpack : the kind of archive that it is; empty for a file that is kept as it is.
    into : the folder below the set's that it is put or unpacked into.
    """

    url: str
    name: str = ""
    size: Size | None = None
    md5: str = ""
    sha256: str = ""
    unpack: Unpack = ""
    into: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address of the web")
        if not self.name:
            object.__setattr__(self, "name", unquote(parts.path.rpartition("/")[2]))
        for kind in ("md5", "sha256"):  # some tools write them in capitals
            object.__setattr__(self, kind, getattr(self, kind).strip().lower())
        if self.name in ("", ".", "..") or "/" in self.name or "\\" in self.name:
            raise ValueError(f"{self.url!r} gives no name of a file: {self.name!r}")

    @property
    def exact_bytes(self) -> int | None:
        """Its length, where it is known to the byte."""
        return self.size.bytes if self.size and not self.size.kind else None


@dataclass(frozen=True)
class Edition:
    """The files of one size of pictures, or of the only one there is (``pixels`` is None)."""

    folder: str
    files: tuple[RemoteFile, ...]
    size: Size
    pixels: int | None = None


@dataclass(frozen=True)
class Dataset:
    """One public data set: what it holds, under which terms, how to get it, and how to train on it.

    Attributes
    ----------
    name, title : a short name for the command line, and a line that says what it is.
    aliases : other names that it is known by.
    task : ``segmentation`` or ``classification``.
    classes : in the order of their numbers, where the labels are numbers.
    several : whether an image may have several of the classes.
    images, patients : their numbers; None where the publishers do not tell patients apart.
    patients_are : what stands for patients, such as lesions; empty where it is patients.
    pixels : the sides of the images, in words.
    licence : as the publishers state it.
    licence_doubt : a sentence where that could not be verified, else empty.
    citation, page : the paper, and the address that people read.
    access : ``direct`` can be fetched by a program; ``account`` needs one; ``by hand`` needs the publishers' tool.
    editions : what is fetched, the default first; empty unless ``access`` is direct.
    size : of what is fetched, of the default edition.
    steps : what a person has to do; for a direct set, what is left to do after fetching.
    script : Python that the steps speak of, empty where none is needed.
    arrange : the name of the function of :mod:`medgraft.catalog.arrange` that lays the files out; empty for none.
    layout : what Medgraft then reads.
    fit : commands to train on it; ``{folder}`` stands for its folder and ``{file}`` for its first file's name.
    note : what else a user should know.
    """

    name: str
    title: str
    task: Literal["segmentation", "classification"]
    classes: tuple[str, ...]
    images: int
    pixels: str
    licence: str
    citation: str
    page: str
    access: Access
    size: Size
    layout: str
    fit: tuple[str, ...]
    patients: int | None = None
    patients_are: str = ""
    several: bool = False
    licence_doubt: str = ""
    editions: tuple[Edition, ...] = ()
    steps: tuple[str, ...] = ()
    script: str = ""
    arrange: str = ""
    note: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.access == "direct") != bool(self.editions):
            raise ValueError(f"data set {self.name!r}: access {self.access!r} is at odds with its files")
        if not self.editions and not self.steps:
            raise ValueError(f"data set {self.name!r}: nothing says how to get it")

    @property
    def stated_licence(self) -> str:
        """The licence, with a ``?`` where it could not be verified."""
        return f"{self.licence} ?" if self.licence_doubt else self.licence

    @property
    def sides(self) -> list[int]:
        """The sizes of pictures to choose from; empty where there is no choice."""
        return [edition.pixels for edition in self.editions if edition.pixels]

    def edition(self, pixels: int | None = None) -> Edition:
        """Return the edition with pictures of that side, by default the first; raises RecipeError for another."""
        if pixels is None:
            return self.editions[0]
        found = [edition for edition in self.editions if edition.pixels == pixels]
        if found:
            return found[0]
        if not self.sides:
            raise RecipeError(f"{self.name} comes in one size only; leave out --size {pixels}.")
        raise RecipeError(f"{self.name} has no pictures of {pixels} pixels; it has {listing(self.sides)}.")

    def folder(self, pixels: int | None = None) -> str:
        """Where the set is put when nothing else is said: ``data/NAME``, or ``data/NAME_64`` for larger pictures."""
        return f"data/{self.edition(pixels).folder if self.editions else self.name}"

    def commands(self, folder: str, pixels: int | None = None) -> list[str]:
        """The commands that train on the set where it lies in ``folder``."""
        name = self.edition(pixels).files[0].name if self.editions else ""
        return [command.format(folder=folder, file=name) for command in self.fit]

    def to_dict(self) -> dict[str, Any]:
        """As plain types that JSON can hold; sizes are texts in ``size`` and numbers in ``bytes``."""
        plain = asdict(self) | {"size": str(self.size), "bytes": self.size.bytes}
        for edition, raw in zip(self.editions, plain["editions"], strict=True):
            raw |= {"size": str(edition.size), "bytes": edition.size.bytes}
            for file, known in zip(edition.files, raw["files"], strict=True):
                known |= {"size": str(file.size) if file.size else None, "bytes": file.exact_bytes}
        return plain
