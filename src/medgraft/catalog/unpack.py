"""Unpacking an archive from the web, which is not trusted: nothing leaves the folder or swells without end."""

from __future__ import annotations

import errno
import gzip
import io
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from medgraft.catalog.entry import Unpack, in_units
from medgraft.errors import DataError
from medgraft.progress import Observer

_CHUNK = 1 << 20
_LARGEST_HEADER = 16 << 20
_DEEPEST = 64
"""Folders in folders; walking through a thousand of them ends in an error, also while they are removed."""
_BLOCK = 512
_RUBBISH = frozenset(("__MACOSX", ".DS_Store"))
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Limits:
    """What an archive may become: so many members, and ``spare`` bytes and ``ratio`` times its own length in all."""

    members: int = 1_000_000
    ratio: int = 100
    spare: int = 64 << 20


class _Budget:
    """Counts what comes out of an archive, whatever its headers say."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive = archive
        self.limits, self.members, self.taken = limits, 0, 0
        self.allowed = limits.spare + limits.ratio * archive.stat().st_size

    def member(self) -> None:
        self.members += 1
        if self.members > self.limits.members:
            raise DataError(f"{self.archive.name} holds more than {self.limits.members} members, and was not unpacked.")

    def take(self, count: int) -> None:
        self.taken += count
        if self.taken > self.allowed:
            raise DataError(
                f"{self.archive.name} swells to more than {in_units(self.allowed)}, as no honest archive of "
                f"{in_units(self.archive.stat().st_size)} does, and was not unpacked."
            )


def unpack(archive: Path, kind: Unpack, folder: Path, observer: Observer, limits: Limits | None = None) -> None:
    """Unpack a zip, a tar (or .tar.gz), or a file packed by gzip, into a folder that is empty or new.

    Links and devices are refused, and so are names that lead out of the folder, encrypted members, two members of one
    name, and more bytes or members than ``limits`` allows, which are counted as they come and not as headers say. Of
    a refused archive, members unpacked before are left behind: unpack into a folder that is thrown away then.

    Raises
    ------
    DataError
        For what is refused, and for an archive that is damaged or cut short.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ways = {"zip": _unpack_zip, "tar": _unpack_tar, "gz": _unpack_gz}
    with _reading(archive):
        ways[kind](archive, folder, _Budget(archive, limits or Limits()), observer)


def _unpack_zip(archive: Path, folder: Path, budget: _Budget, observer: Observer) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        announced = sum(member.file_size for member in members)
        for member in members:
            budget.member()
            name, mode = member.orig_filename, member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, name, "a link or a device")
            if member.flag_bits & 1:
                raise _refused(archive, name, "encrypted")
            target = _inside(archive, folder, name)
            if target is None:
                continue
            if member.is_dir():
                _make_folder(archive, target, name)
                continue
            with packed.open(member) as source:
                _copy(source, _new(archive, target, name), budget)
            observer.received(f"unpacking {archive.name}", min(budget.taken, announced), announced)


def _unpack_tar(archive: Path, folder: Path, budget: _Budget, observer: Observer) -> None:
    length = archive.stat().st_size
    with archive.open("rb") as raw, _plain_stream(raw) as stream:
        metered = _Metered(stream, archive, budget.allowed)
        with tarfile.open(fileobj=metered, mode="r:") as packed:
            for member in packed:
                budget.member()
                packed.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
                if not (member.isreg() or member.isdir()):
                    raise _refused(archive, member.name, "a link or a device")
                target = _inside(archive, folder, member.name)
                if target is None:
                    continue
                if member.isdir():
                    _make_folder(archive, target, member.name)
                    continue
                source = packed.extractfile(member)
                assert source is not None
                with source:
                    _copy(source, _new(archive, target, member.name), budget)
                observer.received(f"unpacking {archive.name}", raw.tell(), length)
        # An archive cut at the end of a member looks whole to tarfile; a whole one ends with blocks of zeros.
        if metered.last != bytes(_BLOCK):
            raise EOFError("it has no end mark")
        while rest := stream.read(_CHUNK):  # gzip compares its checksum at the very end
            budget.take(len(rest))


def _unpack_gz(archive: Path, folder: Path, budget: _Budget, observer: Observer) -> None:
    length, target = archive.stat().st_size, folder / archive.name.removesuffix(".gz")
    if not length:
        raise EOFError("it is empty")  # which gzip takes for a file of no bytes
    with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) as source:
        _copy(
            source,
            _new(archive, target, target.name),
            budget,
            lambda: observer.received(f"unpacking {archive.name}", raw.tell(), length),
        )


def _copy(
    source: IO[bytes] | gzip.GzipFile, target: BinaryIO, budget: _Budget, told: Callable[[], None] | None = None
) -> None:
    with target:
        while chunk := source.read(_CHUNK):
            budget.take(len(chunk))
            target.write(chunk)
            if told is not None:
                told()


def _inside(archive: Path, folder: Path, name: str) -> Path | None:
    """Where a member belongs; None for what a file manager left. Raises DataError where that is not in the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if "\0" in name or path.is_absolute() or _DRIVE.match(name) or ".." in path.parts:
        raise _refused(archive, name, "a path that leaves the folder")
    if len(path.parts) > _DEEPEST:
        raise DataError(f"{archive.name} was not unpacked: it has a member more than {_DEEPEST} folders deep.")
    return None if _RUBBISH & set(path.parts) else folder.joinpath(*path.parts)


def _make_folder(archive: Path, target: Path, name: str) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, name, "a folder where another member is a file") from error


def _new(archive: Path, target: Path, name: str) -> BinaryIO:
    """Open a file that must not be there yet."""
    _make_folder(archive, target.parent, name)
    try:
        return target.open("xb")
    except (FileExistsError, IsADirectoryError) as error:
        raise _refused(archive, name, "there twice") from error


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(f"{archive.name} was not unpacked: its member {name!r} is {why}.")


class _Metered(io.RawIOBase):
    """A stream whose single reads are bounded, because tarfile reads a header as long as the header claims to be."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, archive: Path, allowed: int) -> None:
        super().__init__()
        self._stream, self._archive, self._allowed = stream, archive, allowed
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        if size < 0 or size > _LARGEST_HEADER:
            raise DataError(f"{self._archive.name} was not unpacked: it has a header of {size} bytes.")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a position, which must not lie behind all that the archive may hold."""
        if position > self._allowed:
            raise EOFError("a member ends behind the archive's end")
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        """The position."""
        return self._stream.tell()


@contextmanager
def _plain_stream(raw: BinaryIO) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The bytes of a tar archive, decompressed where gzip packed it."""
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    if not packed:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as stream:
        yield stream


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn whatever a damaged archive makes of itself into one error that names it."""
    try:
        yield
    except (
        zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError,
        NotImplementedError, RuntimeError, ValueError, OverflowError,
    ) as error:  # fmt: skip
        raise DataError(f"{archive.name} is damaged or cut short ({error}), and was not unpacked.") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A damaged list of members makes zipfile go to a place before the archive's beginning.
        raise DataError(f"{archive.name} is damaged or cut short, and was not unpacked.") from error
