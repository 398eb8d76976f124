"""Plain values as bytes, without pickle: what a learner's process sends back is read, never executed.

A frame is its length (8 bytes), the length of a JSON text (8 bytes), the text, and an ``.npz`` with the arrays that the
text names. Numbers, words, None, lists and dictionaries pass as they are; arrays and tensors arrive as arrays.
"""

from __future__ import annotations

import io
import json
import math
import struct
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

_HEAD = struct.Struct("<Q")
LONGEST = 1 << 28
"""Bytes of the longest frame."""
ANSWER = 1 << 25
"""Bytes of the longest that a learner's process may answer with."""
_TEXT = 1 << 24
"""Bytes of the longest text: as objects it takes some thirty times as much memory."""
_ARRAY, _FLOAT = "$array", "$float"


class FrameError(Exception):
    """A value that is none of these, or bytes that are no frame."""


def encode(value: Any, most: int = LONGEST) -> bytes:
    """The value as a frame's content; FrameError names the kind of what cannot be told, or says that it is too much."""
    arrays: list[np.ndarray[Any, Any]] = []
    text = json.dumps(_plain(value, arrays), allow_nan=False).encode()
    size = sum(array.nbytes for array in arrays)
    if size > most or len(text) > min(most, _TEXT):
        raise FrameError(f"{max(size, len(text)) / 2**20:.0f} MB are more than can be judged")
    packed = io.BytesIO()
    np.savez(packed, **{str(k): array for k, array in enumerate(arrays)})  # type: ignore[arg-type]
    return _HEAD.pack(len(text)) + text + packed.getvalue()


def decode(content: bytes) -> Any:
    """What :func:`encode` was given; FrameError where it was not."""
    try:
        (length,) = _HEAD.unpack_from(content)
        if length > _TEXT:
            raise FrameError("its text is too long")
        start = _HEAD.size
        plain = json.loads(content[start : start + length])
        with np.load(io.BytesIO(content[start + length :]), allow_pickle=False) as packed:
            if sum(entry.file_size for entry in packed.zip.infolist()) > LONGEST:
                raise FrameError("its arrays are too large")
            arrays = [packed[str(place)] for place in range(len(packed.files))]  # each once, however often it is named
        return _whole(plain, arrays)
    except (ValueError, LookupError, OSError, struct.error, RecursionError, TypeError, MemoryError, BadZipFile,
            NotImplementedError, EOFError) as error:  # fmt: skip
        raise FrameError(f"these bytes are no frame ({error})") from None


def write_frame(stream: IO[bytes], value: Any, most: int = LONGEST) -> None:
    """Send a value of ``most`` bytes; FrameError where it is larger, or cannot be told."""
    content = encode(value, most)
    stream.write(_HEAD.pack(len(content)) + content)
    stream.flush()


def read_frame(stream: IO[bytes], most: int = LONGEST) -> Any:
    """Receive a value; EOFError at the end, FrameError where it is none."""
    (length,) = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if length > most + _TEXT:  # arrays, and the text that names them
        raise FrameError(f"a frame of {length} bytes is too long")
    return decode(_exactly(stream, length))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _plain(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: repr(float(value))}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item, arrays) for name, item in value.items()}
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor, without importing torch for it
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    raise FrameError(f"a value of type {type(value).__name__} cannot be judged")


def _whole(plain: Any, arrays: list[Any]) -> Any:
    if isinstance(plain, list):
        return [_whole(item, arrays) for item in plain]
    if isinstance(plain, dict):
        if set(plain) == {_ARRAY}:
            return arrays[plain[_ARRAY]]
        if set(plain) == {_FLOAT}:
            return float(plain[_FLOAT])
        return {name: _whole(item, arrays) for name, item in plain.items()}
    return plain
