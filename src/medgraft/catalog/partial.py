"""A file that is not whole yet: its bytes, and the record by which a later attempt goes on with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from medgraft.files import write_text

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """What the server said of the file that the bytes are of.

    ``mark`` is its strong ETag, else its Last-Modified, else empty (RFC 9110, section 8.8); ``total`` its length.
    """

    url: str
    mark: str = ""
    total: int | None = None


class Part:
    """The bytes of ``target`` that have come so far, in ``NAME.part`` beside it, and their record beside that."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._record = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def source(self) -> Source | None:
        """What the bytes are of; None where there is no record, as after a kill between the two files."""
        try:
            return Source(**json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, source: Source) -> None:
        """Start with no bytes; the old ones go before the new record is written, so the two never mix."""
        self.discard()
        write_text(self._record, json.dumps(asdict(source)))
        self.path.touch()

    def discard(self) -> None:
        """Remove the bytes and their record."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the bytes, which are whole, their name."""
        self.path.replace(self.target)
        self._record.unlink(missing_ok=True)


def digests(path: Path) -> dict[str, str]:
    """The MD5 and SHA-256 of a file, in hexadecimal."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
    return {"md5": md5.hexdigest(), "sha256": sha256.hexdigest()}
