"""From the body of a request to the images in it, within bounds while it comes, in memory alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError
from starlette.requests import Request

from medgraft.serving.form import Form
from medgraft.serving.limits import Limits, Visit
from medgraft.serving.refusal import RefusedError
from medgraft.serving.schema import PredictRequest, base64_bytes

_NAME = 200
_COMMAS = 4096
"""In a JSON body, where they part the values; base64 has none. So many values are taken apart in no time, while a body
full of them would keep the server from answering for minutes, and fill some hundred times its length of memory."""


@dataclass(frozen=True)
class Upload:
    """One file: its name as the client says it, for nothing but the answer, and its bytes; or why there are none."""

    name: str
    content: bytes
    error: str = ""


@dataclass
class Wanted:
    """What a request asks for; see :class:`medgraft.serving.schema.PredictRequest`."""

    images: list[Upload] = field(default_factory=list)
    model: str | None = None
    threshold: float | None = None
    explain: bool = False
    pictures: bool = True


class _Reader(Protocol):
    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body; raises RefusedError where they are too many or make no sense."""

    def finish(self) -> Wanted:
        """What the body said; raises RefusedError where it makes no sense."""


async def read_request(request: Request, limits: Limits, visit: Visit) -> Wanted:
    """Read the body of a request as multipart or JSON.

    Raises
    ------
    RefusedError
        413 for too many bytes or images, 408 for a client that sends too slowly, 415 for another type of body, 400
        and 422 for one that makes no sense or holds no image.
    BusyError
        Where the server holds too much already.
    """
    reader = _reader(request.headers.get("content-type", ""), limits)
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.max_bytes:
        raise _too_long(limits)
    length = 0
    async for chunk in _chunks(request, limits):
        length += len(chunk)
        if length > limits.max_bytes:
            raise _too_long(limits)
        visit.take(content=len(chunk))
        reader.feed(chunk)
    wanted = reader.finish()
    if not wanted.images:
        raise RefusedError(422, "The request holds no image; send one or several files as the field images.")
    return wanted


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it comes; a client that pauses too long, or is too slow over all, is refused."""
    start, length = time.monotonic(), 0
    stream = request.stream().__aiter__()
    while True:
        allowed = limits.pause_seconds + length / limits.least_rate - (time.monotonic() - start)
        try:
            async with asyncio.timeout(min(max(allowed, 0.0), limits.pause_seconds)):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RefusedError(408, "The request came too slowly and was given up.", {"Connection": "close"}) from None
        if chunk is None:
            return
        length += len(chunk)
        yield chunk


def _reader(kind: str, limits: Limits) -> _Reader:
    plain = kind.partition(";")[0].strip().lower()
    if plain == "multipart/form-data":
        return _FormReader(kind, limits)
    if plain == "application/json":
        return _JsonReader(limits)
    raise RefusedError(415, "The body has to be multipart/form-data, or application/json.")


class _FormReader:
    """Files as parts called ``images``, options as parts with a short text."""

    def __init__(self, kind: str, limits: Limits) -> None:
        self._limits = limits
        self._form = Form(kind, limits.max_images)

    def feed(self, chunk: bytes) -> None:
        self._form.feed(chunk)

    def finish(self) -> Wanted:
        wanted = Wanted()
        for part in self._form.finish():
            content = part.taken()
            if part.name == "images":
                wanted.images.append(Upload(_shown(part.filename or "image"), content))
            else:
                _set_option(wanted, part.name, content)
        return wanted


class _JsonReader:
    """Files as base64 in a JSON object."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._body = bytearray()
        self._commas = 0

    def feed(self, chunk: bytes) -> None:
        self._commas += chunk.count(b",")
        if self._commas > _COMMAS:
            raise RefusedError(413, f"The JSON has more than {_COMMAS:,} commas, and so more parts than a request has.")
        self._body += chunk

    def finish(self) -> Wanted:
        try:
            asked = PredictRequest.model_validate_json(self._body)
        except ValidationError as error:
            raise RefusedError(422, _first_fault(error)) from None
        finally:
            self._body = bytearray()
        if len(asked.images) > self._limits.max_images:
            raise RefusedError(413, f"At most {self._limits.max_images} images are taken in one request.")
        images = [_from_base64(image.name, image.data) for image in asked.images]
        return Wanted(images, asked.model, asked.threshold, bool(asked.explain), bool(asked.pictures))


def _from_base64(name: str, text: str) -> Upload:
    try:
        return Upload(_shown(name), base64_bytes(text))
    except ValueError:
        return Upload(_shown(name), b"", "The data of this image are no base64.")


def _first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, without what the client sent."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(step) for step in fault["loc"] if step != "function-after")
    return f"The JSON does not fit{f' at {place}' if place else ''}: {fault['msg']}."


def _set_option(wanted: Wanted, name: str, content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    if name == "model":
        wanted.model = text or None
    elif name == "threshold":
        wanted.threshold = _threshold(text)
    elif name == "explain":
        wanted.explain = _switch(name, text)
    elif name == "pictures":
        wanted.pictures = _switch(name, text)
    else:
        raise RefusedError(422, "The form has a field that is none of images, model, threshold, explain and pictures.")


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise RefusedError(422, "The threshold has to be a number between 0 and 1.")
    return value


def _switch(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise RefusedError(422, f"The field {name} has to be 0 or 1.")
    return text == "1"


def _shown(name: str) -> str:
    """A name to say back: no folders, no signs that only a terminal reads, not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable())[:_NAME] or "image"


def _too_long(limits: Limits) -> RefusedError:
    return RefusedError(413, f"The request is longer than {limits.max_bytes:,} bytes; send fewer or smaller images.")
