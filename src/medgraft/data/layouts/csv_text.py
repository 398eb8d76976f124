"""The text of a CSV, in whichever of the usual encodings a spreadsheet wrote it."""

from __future__ import annotations

import codecs
from io import StringIO
from pathlib import Path

from medgraft.errors import DataError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> tuple[str, str]:
    r"""Return the text of a file, its lines ended by ``\n``, and the name of its encoding.

    UTF-8, with a byte-order mark or without; UTF-16 with one; else Windows-1252, or Latin-1 where bytes have no meaning
    in that. The last two differ in typographic signs alone, and any bytes can be read so: what is written in another
    encoding of one byte a letter comes out with wrong letters.

    Raises
    ------
    DataError
        Where the file cannot be read, or holds zero bytes, as no text does.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a CSV file ({error.strerror}).") from None
    text, encoding = _decoded(raw)
    if "\0" in text:
        raise DataError(f"{path}: cannot be read as a CSV file, it holds zero bytes and so is no text; save it as CSV.")
    return StringIO(text, newline=None).getvalue(), encoding


def encoding_said(path: Path) -> list[str]:
    """A note on the encoding of a CSV, where it is none that everyone writes; none where it is UTF-8."""
    _, encoding = read_text(path)
    if encoding == "UTF-8":
        return []
    doubt = "; check accents in it, or save it as UTF-8" if encoding != "UTF-16" else ""
    return [f"{path.name}: read as {encoding}, for it is not in UTF-8{doubt}"]


def _decoded(raw: bytes) -> tuple[str, str]:
    if raw.startswith(_UTF16):
        return raw.decode("utf-16", errors="replace"), "UTF-16"
    for encoding, name in (("utf-8-sig", "UTF-8"), ("cp1252", "Windows-1252 (Latin-1)")):
        try:
            return raw.decode(encoding), name
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "Latin-1"
