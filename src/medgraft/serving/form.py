"""Forms (multipart/form-data, RFC 7578) as they come, kept in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from medgraft.serving.refusal import RefusedError

_TEXT = 4096
_OPTIONS = 16

# Its warnings quote what the client sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


@dataclass
class Part:
    """A part of a form: the name of its field, the name of its file (None where it is no file), its bytes."""

    name: str = ""
    filename: str | None = None
    content: bytearray = field(default_factory=bytearray)

    def taken(self) -> bytes:
        """The bytes, which the part no longer holds then."""
        content = bytes(self.content)
        self.content = bytearray()
        return content


class Form:
    """Reads a form piece by piece.

    Parameters
    ----------
    kind : the request's Content-Type, which names the boundary.
    most : files that are taken.

    Raises
    ------
    RefusedError
        413 for more files, or texts of more than 4 KiB; 400 for what is no form.
    """

    def __init__(self, kind: str, most: int) -> None:
        self._most = most
        self._parts: list[Part] = []
        self._header = bytearray()
        self._value = bytearray()
        self._ended = False
        boundary = parse_options_header(kind)[1].get(b"boundary", b"")
        if not boundary:
            raise RefusedError(400, "The form names no boundary between its parts.")
        calls: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            self._parser: Any = MultipartParser(boundary, calls)  # type: ignore[arg-type]
        except FormParserError:
            raise RefusedError(400, "The form's boundary is too long.") from None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise RefusedError(400, "The form is damaged: its parts are not where its boundary says.") from None

    def finish(self) -> list[Part]:
        """The parts; raises RefusedError where the form ends in the middle."""
        try:
            self._parser.finalize()
        except FormParserError:
            self._ended = False
        if not self._ended:
            raise RefusedError(400, "The form ends in the middle.")
        return self._parts

    def _begin(self) -> None:
        self._parts.append(Part())
        if len(self._parts) > self._most + _OPTIONS:
            raise RefusedError(413, f"The form has more than {self._most + _OPTIONS} parts.")

    def _header_begin(self) -> None:
        self._header, self._value = bytearray(), bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if bytes(self._header).lower() != b"content-disposition":
            return
        # Browsers send names in UTF-8; the parser takes bytes for Latin-1 text and gives them back as such.
        options = parse_options_header(bytes(self._value))[1]
        part = self._parts[-1]
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            part.filename = options[b"filename"].decode("utf-8", "replace")

    def _headers_finished(self) -> None:
        if self._parts[-1].name == "images" and sum(part.name == "images" for part in self._parts) > self._most:
            raise RefusedError(413, f"At most {self._most} images are taken in one request.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        part.content += data[start:end]
        if part.name != "images" and len(part.content) > _TEXT:
            raise RefusedError(413, f"A text in the form is longer than {_TEXT} bytes.")

    def _end(self) -> None:
        self._ended = True
