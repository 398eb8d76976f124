"""A request, or one image in it, that is turned away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """What a client sent cannot be used.

    Attributes
    ----------
    status : of HTTP, 400 and above.
    sentence : what was wrong and what to do, for the client.
    headers : more of them for the answer.
    results : what is to be said of the single images.
    """

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None, results: Any = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.results = results
