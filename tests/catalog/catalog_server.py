"""A server of files on this machine that behaves badly on demand, and the sets that it serves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from medgraft.catalog import Dataset, Edition, RemoteFile, Size
from medgraft.catalog.fetch import Patience
from medgraft.progress import Observer


@dataclass
class Reply:
    """What is sent: every field is what an honest server would send, until a fault changes it."""

    status: int
    headers: dict[str, str]
    body: bytes


Fault = Callable[[Reply, "Asked"], Reply]
"""Changes a reply; one is used up by each request."""


@dataclass
class Asked:
    """A request as it came, and the file that it is for."""

    path: str
    headers: dict[str, str]
    whole: bytes

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0


@dataclass
class Served:
    """A file of the server: its bytes, the mark that tells it from others, and the faults of the next requests."""

    body: bytes
    etag: str = '"one"'
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None


class Server:
    """Files under their paths, and every request that came."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.released = threading.Event()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def put(self, path: str, body: bytes, *faults: Fault, etag: str = '"one"') -> str:
        """Serve a file, the first requests of which meet the faults; returns its address."""
        self.files[path] = Served(body, etag, list(faults))
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/{path}"

    def ranges(self, path: str) -> list[int]:
        """The first byte that each request for the file asked for."""
        return [asked.start for asked in self.asked if asked.path == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/").partition("?")[0]
        file = self.files.get(path)
        if file is None:
            handler.send_error(404)
            return
        asked = Asked(path, dict(handler.headers), file.body)
        self.asked.append(asked)
        reply = honest(file, asked)
        fault = file.faults.pop(0) if file.faults else file.always
        if fault is not None:
            reply = fault(reply, asked)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            if name != "hold":
                handler.send_header(name, value)
        handler.end_headers()
        try:
            handler.wfile.write(reply.body)
            handler.wfile.flush()
            if "hold" in reply.headers:
                self.released.wait(30)
        except OSError:
            pass

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@contextmanager
def running() -> Iterator[Server]:
    """A server for the length of the block."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def honest(file: Served, asked: Asked) -> Reply:
    """What RFC 9110 wants: the rest of the file where it is the one that the client knows, else all of it."""
    headers = {"Content-Type": "application/octet-stream"}
    if file.etag:
        headers["ETag"] = file.etag
    known = asked.headers.get("If-Range")
    start = asked.start if known in (None, file.etag) else 0
    if start >= len(file.body) and start:
        return Reply(416, {**headers, "Content-Range": f"bytes */{len(file.body)}", "Content-Length": "0"}, b"")
    body = file.body[start:]
    headers["Content-Length"] = str(len(body))
    if not start:
        return Reply(200, headers, body)
    headers["Content-Range"] = f"bytes {start}-{len(file.body) - 1}/{len(file.body)}"
    return Reply(206, headers, body)


def drop_after(count: int) -> Fault:
    """Close the connection after so many bytes."""
    return lambda reply, asked: replace(reply, body=reply.body[:count])


def hold_after(count: int) -> Fault:
    """Send so many bytes, then nothing, with the connection open."""
    return lambda reply, asked: Reply(reply.status, {**reply.headers, "hold": "yes"}, reply.body[:count])


def ignore_range(reply: Reply, asked: Asked) -> Reply:
    """Send the whole file whatever is asked."""
    headers = {name: value for name, value in reply.headers.items() if name != "Content-Range"}
    return Reply(200, {**headers, "Content-Length": str(len(asked.whole))}, asked.whole)


def ignore_if_range(etag: str) -> Fault:
    """Send the part that is asked for, of whatever file there is now."""

    def fault(reply: Reply, asked: Asked) -> Reply:
        headers = {name: value for name, value in asked.headers.items() if name != "If-Range"}
        return honest(Served(asked.whole, etag), replace(asked, headers=headers))

    return fault


def claim(length: int) -> Fault:
    """Say another Content-Length than what is sent."""
    return lambda reply, asked: replace(reply, headers={**reply.headers, "Content-Length": str(length)})


def without(*names: str) -> Fault:
    """Leave headers out."""
    return lambda reply, asked: replace(
        reply, headers={name: value for name, value in reply.headers.items() if name not in names}
    )


def status(code: int, **headers: str) -> Fault:
    """Answer a status and no file."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply, asked: Reply(code, {"Content-Length": "0", **named}, b"")


def redirect(target: str) -> Fault:
    """Send the client elsewhere."""
    return status(302, Location=target)


def web_page(reply: Reply, asked: Asked) -> Reply:
    """Send a page that asks to log in."""
    page = b"<html>please log in</html>"
    return Reply(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}, page)


class Listener(Observer):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.bytes: list[tuple[str, int, int | None]] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def received(self, what: str, done: int, total: int | None) -> None:
        self.bytes.append((what, done, total))


def hurried(naps: list[float] | None = None, **options: object) -> Patience:
    """A patience that sleeps no time, and notes for how long it would have."""
    nap = naps.append if naps is not None else (lambda _: None)
    return Patience(sleep=nap, timeout=(5.0, 5.0), **options)  # type: ignore[arg-type]


def one_set(name: str, *files: RemoteFile, **changes: object) -> Dataset:
    """An entry for files of the server."""
    size = Size(1, "about")
    edition = Edition(name, files, size)
    facts: dict[str, object] = {
        "title": "a set of the tests", "task": "segmentation", "classes": ("lesion",), "images": 3,
        "pixels": "8 x 8", "licence": "CC0", "citation": "nobody", "page": "https://example.org", "access": "direct",
        "size": size, "layout": "images/ and masks/", "fit": ("medgraft fit {folder}",), "editions": (edition,),
    }  # fmt: skip
    return Dataset(name=name, **{**facts, **changes})  # type: ignore[arg-type]
