"""Asking a server for a file, or for the rest of it, and reading what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from medgraft.errors import DataError
from medgraft.version import __version__

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_HOPS = 10
_LATER = frozenset((408, 425, 429))
_CHUNK = 1 << 14
"""Bytes that are waited for before they are handed on; what is waited for when a process is killed is lost."""

_DIGITS = r"[0-9]{1,18}"
"""More, or other than these, no file is long."""

_RANGE = re.compile(rf"bytes (?:({_DIGITS})-({_DIGITS})|\*)/({_DIGITS}|\*)")


class UnfinishedError(Exception):
    """An attempt that broke off for a reason that may pass; ``wait`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """What a server said, before the bytes.

    ``status`` is 200, 206 or 416; ``first`` and ``last`` are the positions of a part (206 alone) and ``total`` is the
    length of the whole file, None where it is not told; ``mark`` is a strong ETag, else a Last-Modified, else empty.
    """

    status: int
    first: int
    total: int | None
    mark: str
    response: requests.Response

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they travel; raises :class:`UnfinishedError` where the connection breaks off."""
        with _passing():
            yield from self.response.raw.stream(_CHUNK, decode_content=False)


@contextmanager
def asked(
    session: requests.Session, url: str, page: str, start: int, mark: str, timeout: tuple[float, float]
) -> Iterator[Answer]:
    """Ask for the file from position ``start`` on, if it still is the one of ``mark``; else for all of it.

    Parameters
    ----------
    url, page : the file's address, and the page that people are sent to when it is gone.
    timeout : seconds to wait for a connection, and for the next bytes.

    Raises
    ------
    UnfinishedError
        Where asking again may help: no connection, 408, 425, 429 and 500 to 599.
    DataError
        Where it will not: any other status, a page instead of a file, a redirection that leaves https.
    """
    headers = {"User-Agent": f"medgraft/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if mark:
            headers["If-Range"] = mark
    with _followed(session, url, headers, timeout) as response:
        yield _answer(response, url, page)


@contextmanager
def _followed(
    session: requests.Session, url: str, headers: dict[str, str], timeout: tuple[float, float]
) -> Iterator[requests.Response]:
    """The response at the end of the redirections, none of which may leave the scheme for a less safe one."""
    here = url
    for _ in range(_HOPS):
        with _passing():
            response = session.get(here, headers=headers, timeout=timeout, stream=True, allow_redirects=False)
        with response:
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                yield response
                return
        before, here = here, urljoin(here, target)
        scheme = urlsplit(here).scheme
        if scheme != "https" and scheme != urlsplit(before).scheme:
            raise DataError(f"{url} redirects to {here}, which is not followed: only https is.")
    raise DataError(f"{url} redirects more than {_HOPS} times; nothing was fetched.")


def _answer(response: requests.Response, url: str, page: str) -> Answer:
    status, headers = response.status_code, response.headers
    if status in _LATER or status >= 500:
        raise UnfinishedError(
            f"the server answers {status} {response.reason}", _asked_to_wait(headers.get("Retry-After"))
        )
    if status not in (200, 206, 416):
        raise DataError(
            f"{url}: the server answers {status} {response.reason}, so the file cannot be had there; "
            f"see {page} for where it is now."
        )
    if status != 416 and headers.get("Content-Type", "").startswith("text/html"):
        raise DataError(f"{url}: the server sends a web page instead of the file; see {page} for where it is now.")
    first, total = 0, _number(headers.get("Content-Length"))
    if status != 200:
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        first = int(match[1]) if match and match[1] else -1
        total = int(match[3]) if match and match[3] != "*" else None
    return Answer(status, first, total, _mark(headers), response)


def _mark(headers: Any) -> str:
    etag = str(headers.get("ETag", ""))
    return etag if etag.startswith('"') else str(headers.get("Last-Modified", ""))


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(_DIGITS, text.strip()) else None


def _asked_to_wait(text: str | None) -> float:
    """Seconds of a Retry-After, which is a number or a date (RFC 9110, section 10.2.3)."""
    if not text:
        return 0.0
    if (seconds := _number(text)) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0


@contextmanager
def _passing() -> Iterator[None]:
    """Turn what a bad connection makes of itself into :class:`UnfinishedError`, what stays into DataError."""
    try:
        yield
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
        raise DataError(f"the server's certificate is not accepted ({_plain(error)}); nothing was fetched.") from error
    except requests.exceptions.ConnectTimeout as error:
        raise UnfinishedError("no connection in time") from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise UnfinishedError("nothing comes any more") from error
    except urllib3.exceptions.ProtocolError as error:
        raise UnfinishedError("the connection broke off") from error
    except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise UnfinishedError(f"there is no connection ({_plain(error)})") from error
    except requests.exceptions.RequestException as error:
        raise DataError(f"the file cannot be asked for ({_plain(error)}).") from error


def _plain(error: BaseException) -> str:
    """The innermost reason, without the object that it happened to."""
    inner: BaseException = error
    while (deeper := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) is not None:
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    text = re.sub(r"^\w+\(.*?\): |<[^>]*>:? ?", "", str(inner)).strip()
    return text or type(inner).__name__
