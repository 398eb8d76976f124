"""The process that listens: its address, its connections, its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from medgraft.errors import RecipeError
from medgraft.serving.access import is_loopback

CONNECTIONS = 512
"""Connections at once; more are closed as they come."""

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0
WRITE_SECONDS = 30.0

TOKEN_LENGTH = 16
"""Signs that a token has at least; one that is guessed guards nothing."""


class GuardedProtocol(H11Protocol):
    """uvicorn's own protocol, with an end to what a client can draw out.

    A head has to come within ``HEAD_SECONDS`` and ``HEAD_BYTES``; so has the rest of a body whose answer is out
    already, and an answer has to be read within ``WRITE_SECONDS``. (The time of a body that is wanted is bounded where
    it is read, see :mod:`medgraft.serving.uploads`.)
    """

    _owing: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._set_clock()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        super().data_received(data)
        self._set_clock()

    def on_response_complete(self) -> None:
        """The answer is out."""
        super().on_response_complete()
        self._set_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        for clock in (self._owing, self._unread):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes it again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _set_clock(self) -> None:
        """Run the clock while the client owes bytes that nobody waits for: once it runs, more bytes do not stop it."""
        answering = self.cycle is not None and not self.cycle.response_complete
        between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        owes = not answering and (self.cycle is None or not between)
        if owes and self._owing is None:
            self._owing = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        elif not owes and self._owing is not None:
            self._owing.cancel()
            self._owing = None


class _Server(uvicorn.Server):
    """Says that it is ready once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ``ready`` is called when the first request would be answered."""
    # httptools, which uvicorn would prefer, bounds neither the size nor the time of a head.
    config = uvicorn.Config(
        app, http=GuardedProtocol, ws="none", loop="asyncio", lifespan="on", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, h11_max_incomplete_event_size=HEAD_BYTES, backlog=128,
        timeout_keep_alive=15, timeout_graceful_shutdown=5,
    )  # fmt: skip
    # What it says of a request that is no HTTP helps nobody.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    _Server(config, ready).run(sockets=[listening])


def listen(host: str, port: int, token: str | None) -> socket.socket:
    """A socket at an address.

    Raises
    ------
    RecipeError
        Where the port is in use or the address is not this machine's; for an address that others reach, without a
        token; for a token that is too short.
    """
    if token is not None and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        raise RecipeError(
            f"--token: at least {TOKEN_LENGTH} plain letters and digits are wanted, as it guards the door."
        )
    if token is None and not is_loopback(host):
        raise RecipeError(
            f"--host {host}: other machines could reach that; add --token TOKEN, or set MEDGRAFT_TOKEN, so that "
            "only those who know it are answered."
        )
    if not 0 <= port <= 65535:
        raise RecipeError(f"--port: a number from 1 to 65535 is wanted, not {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise RecipeError(f"--host {host}: not an address of this machine ({error}).") from None
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(128)
    except (OSError, OverflowError) as error:
        opened.close()
        raise _unbound(host, port, error) from None
    return opened


def address_of(listening: socket.socket) -> str:
    """What to type in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _unbound(host: str, port: int, error: Exception) -> RecipeError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return RecipeError(f"--port {port}: something else listens there already; end that, or choose another port.")
    if number == errno.EACCES:
        return RecipeError(f"--port {port}: ports below 1024 are the system's; choose another, such as 8000.")
    return RecipeError(f"--host {host} --port {port}: cannot listen there ({error}).")
