"""Replies that slow readers cannot pile up in memory, and the one form that all errors have."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from medgraft.serving.refusal import RefusedError

_PIECE = 1 << 16


class Reply(Response):
    """A response in pieces: each waits until the client has taken those before it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        for start in range(0, len(body), _PIECE):
            await send({"type": "http.response.body", "body": body[start : start + _PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def json_reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A reply of JSON; every sign beyond ASCII is escaped, so that nothing in a name means anything to a reader."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Reply(text.encode("ascii"), status, headers, "application/json")


def error_reply(refused: RefusedError) -> Reply:
    """The reply to what is turned away."""
    content = {"error": refused.sentence}
    if refused.results is not None:
        content["results"] = refused.results
    return json_reply(content, refused.status, refused.headers)
