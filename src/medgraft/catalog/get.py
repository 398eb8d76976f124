"""From a data set's name to its folder: fetched, checked, unpacked, laid out, and put into place in one step."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medgraft.catalog.arrange import ARRANGERS
from medgraft.catalog.card import card, fetched, steps, summary
from medgraft.catalog.claim import claimed
from medgraft.catalog.entries import find_dataset
from medgraft.catalog.entry import Dataset, Edition, RemoteFile, in_units
from medgraft.catalog.fetch import Patience, fetch
from medgraft.catalog.unpack import unpack
from medgraft.errors import DataError, RecipeError
from medgraft.files import write_text
from medgraft.progress import Observer
from medgraft.version import __version__

MARKER = ".medgraft-dataset.json"
"""The file in a set's folder that says what it is and that it is whole."""

ABOUT = "ABOUT.txt"
"""The file in a set's folder that says the same to people: licence, citation, how to train on it."""


def get(
    name: str | Dataset,
    out: str | Path | None = None,
    *,
    size: int | None = None,
    observer: Observer | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch a data set of the catalogue, unless it is there already, and return its folder.

    What was fetched of it before is gone on with. Nothing stands in the folder before all of it is whole.

    Parameters
    ----------
    name : a name or alias of the catalogue, or an entry of your own.
    out : the set's folder, by default ``data/NAME`` here. It must not hold anything else.
    size : the side of the pictures in pixels, for sets that come in several.
    observer : is told what happens.
    patience : how long a failing server is waited for.

    Raises
    ------
    RecipeError
        For an unknown name or size, where near names are suggested; for a place such as ``.`` without a name.
    DataError
        For a set that only a person can get (with the steps), a folder that holds something else, a server that
        fails or sends another file, an archive that is refused, and a disk that is too small.
    """
    entry = find_dataset(name) if isinstance(name, str) else name
    observer = observer or Observer()
    if not entry.editions:
        raise DataError(_by_person(entry, Path(out or entry.folder())))
    edition = entry.edition(size)
    folder = Path(out or entry.folder(size)).expanduser()
    if folder.name in ("", ".."):
        raise RecipeError(f"{folder} is no name of a folder of its own, which a set needs; name one with --out.")
    if _is_there(folder, edition):
        observer.say(f"{folder} holds {edition.folder} already ({_contents(folder)}); nothing was fetched")
        return folder
    observer.say(summary(entry, size))
    downloads = folder.parent / f".{folder.name}.download"
    try:
        with claimed(downloads):
            _fill(folder, downloads, entry, edition, observer, patience or Patience())
        shutil.rmtree(downloads, ignore_errors=True)
    finally:
        observer.close()
    return folder


def _by_person(entry: Dataset, folder: Path) -> str:
    why = "an account of yours" if entry.access == "account" else "its publishers' own tool"
    lines = steps(entry, str(folder))
    commands = [f"  {command}" for command in entry.commands(str(folder))]
    head = f"{entry.name} needs {why}, so it cannot be fetched for you. The steps:"
    return "\n".join([head, *lines, "Then train on it:", *commands])


def _fill(
    folder: Path, downloads: Path, entry: Dataset, edition: Edition, observer: Observer, patience: Patience
) -> None:
    digests = {file.name: _whole(file, downloads / file.name, entry.page, observer, patience) for file in edition.files}
    from medgraft.data.staging import publish, staging  # brings torch along, which need not hold up the first byte

    with staging(folder.parent) as room:
        new = room / folder.name
        new.mkdir()
        for file in edition.files:
            _put(file, downloads / file.name, new, observer)
        if entry.arrange:
            ARRANGERS[entry.arrange](new)
        write_text(new / ABOUT, card(entry, str(folder), 100, edition.pixels) + "\n")
        write_text(new / MARKER, json.dumps(_record(new, entry, edition, digests), indent=2) + "\n")
        publish(new, folder)
        if not _is_there(folder, edition):
            raise DataError(f"{folder}: something else was put there meanwhile; name another place with --out.")


def _whole(file: RemoteFile, target: Path, page: str, observer: Observer, patience: Patience) -> dict[str, str]:
    """Fetch one file unless it was fetched and checked before; returns its digests."""
    notes = target.with_name(f"{target.name}.json")
    if target.is_file():
        with suppress(OSError, ValueError, KeyError, TypeError):
            known: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
            if known["url"] == file.url and known["bytes"] == target.stat().st_size and _is_the_known_one(file, known):
                return known["digests"]  # type: ignore[no-any-return]
        target.unlink()
    found = fetch(file, target, page, observer, patience)
    write_text(notes, json.dumps({"url": file.url, "bytes": target.stat().st_size, "digests": found}))
    return found


def _is_the_known_one(file: RemoteFile, noted: dict[str, Any]) -> bool:
    """Whether what was noted of a kept file agrees with the catalogue, which may know more by now."""
    wanted = (("md5", file.md5), ("sha256", file.sha256))
    agree = all(not known or noted["digests"][kind] == known for kind, known in wanted)
    return agree and file.exact_bytes in (None, noted["bytes"])


def _put(file: RemoteFile, source: Path, folder: Path, observer: Observer) -> None:
    """Unpack one file into the set's new folder, or place it there; a refused archive is removed."""
    place = folder / file.into
    place.mkdir(parents=True, exist_ok=True)
    if not file.unpack:
        try:
            os.link(source, place / file.name)
        except OSError:  # not every file system has links
            shutil.copyfile(source, place / file.name)
        return
    _refuse_full_disk(source, folder)
    try:
        unpack(source, file.unpack, place, observer)
    except DataError as error:
        source.unlink()
        raise DataError(f"{error} It was removed; {file.url} sent it.") from error


def _refuse_full_disk(archive: Path, folder: Path) -> None:
    """Unpacked, images take about as much as their archive: they are compressed already."""
    needed, free = archive.stat().st_size, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder.parent.parent}: unpacking {archive.name} takes about {in_units(needed)}, and {in_units(free)} "
            "are free. Make room and run the same command again; what was fetched is kept."
        )


def _record(folder: Path, entry: Dataset, edition: Edition, digests: dict[str, dict[str, str]]) -> dict[str, Any]:
    count, size = _count(folder)
    return {
        "name": entry.name,
        "edition": edition.folder,
        "title": entry.title,
        "licence": entry.stated_licence,
        "citation": entry.citation,
        "page": entry.page,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "medgraft": __version__,
        "sources": [{"url": file.url} | digests[file.name] for file in edition.files],
        "files": count,
        "bytes": size,
    }


def _is_there(folder: Path, edition: Edition) -> bool:
    """Whether the folder holds the whole set; raises DataError where it holds something else, or a part of it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        held, wanted = record["edition"], int(record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder} exists and was not made by medgraft datasets; move it away, or name another place with --out."
        ) from None
    if held != edition.folder:
        raise DataError(f"{folder} holds {held}, not {edition.folder}; name another place with --out.")
    count, _ = _count(folder)
    if count < wanted:
        raise DataError(f"{folder} lacks {wanted - count} of its {wanted} files; remove it, then run this again.")
    return True


def _contents(folder: Path) -> str:
    return fetched(*_count(folder))


def _count(folder: Path) -> tuple[int, int]:
    """Number and bytes of the set's files, without the two that say what it is."""
    sizes = [entry.stat().st_size for entry in _entries(str(folder)) if entry.name not in (MARKER, ABOUT)]
    return len(sizes), sum(sizes)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as inside:
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
            else:
                yield entry
