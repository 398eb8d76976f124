"""Fetching one file: resumed where it stopped, tried again when the connection fails, checked when it is whole."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from medgraft.catalog.entry import RemoteFile, in_units
from medgraft.catalog.partial import Part, Source, digests
from medgraft.catalog.web import Answer, UnfinishedError, asked
from medgraft.errors import DataError
from medgraft.progress import Observer

_GAIN = 1 << 20
"""Bytes after which a failed attempt counts as one that got on, so that it is not one of the tries in a row."""

_SPARE = 64 << 20
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class Patience:
    """How often and how long a failing server is waited for.

    ``tries`` failures in a row that bring nothing end the fetching. Between two of them lie ``first`` seconds, doubled
    each time up to ``longest``, of which a random half is waited at least, so that many clients do not come back at
    once. A server may ask for up to ``at_most`` seconds.
    """

    tries: int = 5
    first: float = 1.0
    longest: float = 60.0
    at_most: float = 300.0
    timeout: tuple[float, float] = (15.0, 60.0)
    sleep: Callable[[float], None] = time.sleep

    def delay(self, failures: int, wait: float) -> float:
        """Seconds before the next try, at least those that the server asks for."""
        backed_off = min(self.longest, self.first * 2.0 ** max(0, failures - 1))
        return max(wait, backed_off * random.uniform(0.5, 1.0))


def fetch(file: RemoteFile, target: Path, page: str, observer: Observer, patience: Patience) -> dict[str, str]:
    """Fetch a file to ``target``, or go on where an earlier attempt stopped.

    Parameters
    ----------
    file : its address, and what is known of its length and checksum.
    target : where it shall lie; until it is whole and checked, its bytes are in ``NAME.part`` beside it.
    page : what people are sent to when the file is not what it should be.

    Returns
    -------
    dict
        Its ``md5`` and ``sha256``.

    Raises
    ------
    DataError
        When the server refuses, fails for too long, or sends another file than the known one; the last is removed.
    """
    part, failures = Part(target), 0
    furthest = part.size
    with requests.Session() as session:
        while True:
            try:
                _attempt(session, file, part, page, observer, patience)
                break
            except UnfinishedError as pause:
                failures = 0 if part.size - furthest >= _GAIN else failures + 1
                furthest = max(furthest, part.size)
                _refuse_endless(file, part, pause, failures, patience)
                delay = patience.delay(failures, pause.wait)
                observer.say(f"{file.name}: {pause}; trying again in {delay:.0f} s")
                patience.sleep(delay)
    found = _checked(file, part, page)
    part.finish()
    return found


def _refuse_endless(file: RemoteFile, part: Part, pause: UnfinishedError, failures: int, patience: Patience) -> None:
    kept = f"{in_units(part.size)} are kept, and the same command goes on from there" if part.size else ""
    kept = f"{kept or 'nothing was lost, run the same command again'}."
    if pause.wait > patience.at_most:
        raise DataError(
            f"{file.url}: {pause}, and asks to come back in {pause.wait / 60:.0f} minutes; {kept}"
        ) from pause
    if failures >= patience.tries:
        raise DataError(f"{file.url}: {pause}, {failures} times in a row; {kept}") from pause


def _attempt(
    session: requests.Session, file: RemoteFile, part: Part, page: str, observer: Observer, patience: Patience
) -> None:
    """Bring the part to its end, or raise UnfinishedError with what came kept."""
    known = _resumable(file, part)
    if known is not None and known.total == part.size:
        return
    start = part.size if known is not None else 0
    mark = known.mark if known is not None else ""
    with asked(session, file.url, page, start, mark, patience.timeout) as answer:
        _refuse_other_length(file, part, answer.total, page)
        if start and not _continues(answer, known, start):
            part.discard()
            if answer.status != 200:
                raise UnfinishedError("the server has another file than before, which is begun anew")
        if answer.status == 200:
            part.begin(Source(file.url, answer.mark, answer.total))
        elif answer.status == 416 or not start:
            part.discard()
            raise UnfinishedError("the server sends another part than the one that was asked for")
        told = (answer.total, known.total if known else None, file.exact_bytes)
        total = next((length for length in told if length is not None), None)
        _write(answer, file, part, total, observer, page)


def _resumable(file: RemoteFile, part: Part) -> Source | None:
    """The record of bytes that can be gone on with: the same address, and a way to tell the file from another."""
    source = part.source()
    if source is None or source.url != file.url or not part.size:
        return None
    if source.total is not None and part.size > source.total:
        return None
    return source if source.mark or file.md5 or file.sha256 else None


def _continues(answer: Answer, known: Source | None, start: int) -> bool:
    """Whether the answer is the rest of the same file; a server may ignore what it was asked."""
    if known is None or answer.status != 206 or answer.first != start:
        return False
    if known.total is not None and answer.total is not None and answer.total != known.total:
        return False
    return not (known.mark and answer.mark) or answer.mark == known.mark


def _refuse_other_length(file: RemoteFile, part: Part, total: int | None, page: str) -> None:
    if file.exact_bytes is not None and total is not None and total != file.exact_bytes:
        part.discard()
        raise DataError(
            f"{file.url}: the server's file has {total} bytes, and {file.exact_bytes} are expected; "
            f"it was changed, see {page}."
        )


def _write(answer: Answer, file: RemoteFile, part: Part, total: int | None, observer: Observer, page: str) -> None:
    """Add the bytes to the part; ``total`` is how many it shall have in the end, None where nobody says."""
    done = part.size
    _refuse_full_disk(part.path, (total or done) - done)
    with part.path.open("ab") as out:
        for chunk in answer.chunks():
            out.write(chunk)
            done += len(chunk)
            if total is not None and done > total:
                break
            observer.received(file.name, done, total)
    if total is not None and done > total:
        part.discard()
        raise DataError(f"{file.url}: more comes than the {total} bytes that are expected; see {page}.")
    if total is not None and done < total:
        raise UnfinishedError(f"the connection ended {in_units(total - done)} too early")


def _refuse_full_disk(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed + _SPARE > free:
        raise DataError(
            f"{path.parent}: {in_units(needed)} are still to come and {in_units(free)} are free; make room, or name "
            "another place with --out."
        )


def _checked(file: RemoteFile, part: Part, page: str) -> dict[str, str]:
    """The digests of the whole file, which is removed where they or its length are not the known ones."""
    size, found = part.size, digests(part.path)
    wrong = [
        f"its {kind} is {found[kind]} instead of {wanted}"
        for kind, wanted in (("md5", file.md5), ("sha256", file.sha256))
        if wanted and wanted != found[kind]
    ]
    if file.exact_bytes is not None and size != file.exact_bytes:
        wrong.insert(0, f"it has {size} bytes instead of {file.exact_bytes}")
    if wrong:
        part.discard()
        raise DataError(
            f"{file.name} is not the file that the catalogue knows ({wrong[0]}), and was removed. Run the same command "
            f"again; if that does not help, the file was changed, see {page}."
        )
    return found
