"""Around everything: headers that bound what a browser does, figures, a log without contents, and the last resort."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import PurePath

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medgraft.serving.metrics import Metrics
from medgraft.serving.refusal import RefusedError
from medgraft.serving.replies import error_reply

LOG = logging.getLogger("medgraft.serving")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
)

_ROUTES = frozenset(("/", "/healthz", "/metrics", "/openapi.json", "/v1/models", "/v1/predict"))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
_LEFT = 499
"""The status of a request whose client has gone; it is counted and never sent."""


class Guard:
    """The outermost layer. The log says method, route, status and milliseconds: no name, no query, no address."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), _LEFT

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in own)]
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception as error:
            LOG.error("a defect: %s", _where(error))
            if status == _LEFT:
                await error_reply(RefusedError(500, "The server met a defect of its own."))(scope, receive, dressed)
        finally:
            route, seconds = _route(scope["path"]), time.perf_counter() - start
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            LOG.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


def _route(path: str) -> str:
    """The route of a path; strangers' paths are one route, as they may hold anything."""
    if path.startswith("/static/"):
        return "/static"
    return path if path in _ROUTES else "other"


def _where(error: BaseException) -> str:
    """The kind of an error and the places it came by; its message may quote what a client sent."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(f"{PurePath(f.filename).name}:{f.lineno}" for f in frames[::-1])
