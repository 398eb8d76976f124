"""Who may ask: whoever has the token, or without one, whoever is on this machine."""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from medgraft.serving.refusal import RefusedError
from medgraft.serving.replies import error_reply

OPEN = frozenset(("/", "/healthz"))
"""Paths that say nothing of models or images, besides those below ``/static/``."""

_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::\d*)?")


class Access:
    """Turns away who may not ask.

    With a token, everything but the page itself and ``/healthz`` wants ``Authorization: Bearer TOKEN``. Without one the
    server is for this machine alone: a request has to name it by a loopback name, so that no page of a stranger reaches
    it under a name of the stranger's own (DNS rebinding). A page of another origin is never answered.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope["path"], Headers(scope=scope))
            except RefusedError as refused:
                await error_reply(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._token is None and not is_loopback(_name(host)):
            raise RefusedError(403, "Without a token this server answers on its own machine only, as localhost.")
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            raise RefusedError(403, "Pages of another origin are not answered.")
        if self._token is None or path in OPEN or path.startswith("/static/"):
            return
        given = headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._token):
            raise RefusedError(
                401,
                "The token is missing or wrong; send it as Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )


def _name(host: str) -> str:
    """A Host header without its port; empty where it is none."""
    found = _HOST.fullmatch(host)
    return (found["v6"] or found["name"] or "").lower() if found else ""


def _place(origin: str) -> str | None:
    """The host and port of an Origin header; None where it makes no sense."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine, however it is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
