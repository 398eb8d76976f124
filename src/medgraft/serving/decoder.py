"""A process that decodes what strangers send, so that what hangs, crashes or fills the memory there harms nobody else.

It is started by :mod:`medgraft.serving.decoders` and speaks by its standard input and output: a head (the lengths of a
JSON text and of a body, little-endian), the JSON, the body. It bounds its own memory, time and files. Libraries may
print what they like there: nobody hears it, as it could quote a header.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image

from medgraft.data.formats import image_size, read_image
from medgraft.data.resize import resize_image
from medgraft.errors import DataError, MedgraftError
from medgraft.prediction import Array
from medgraft.serving.kinds import kind_of
from medgraft.serving.pictures import encoded, preview_of
from medgraft.serving.refusal import RefusedError

HEAD = struct.Struct("<IQ")
"""Before each message: bytes of the JSON, bytes of the body."""

BASE_BYTES, BYTES_A_PIXEL = 512 << 20, 32
"""What decoding may take beyond what the process has when it is ready: so much, and so much a pixel at most."""

LEFT_BYTES = 96 << 20
"""What files may leave behind in the memory of a process, as in caches of libraries, before another takes its place."""

MOST_SIDE = 1_000_000
"""libpng writes nothing longer, so there is no mask of a longer image."""

_ENDLESS = (1 << 31, 1 << 31)
_NUMBERS = itertools.count(1)
_LACKS_MEMORY = "Decoding it takes more memory than an image of its size should; it is damaged, or made to fill it."


@dataclass(frozen=True)
class Order:
    """What is wanted of a file.

    Attributes
    ----------
    size, channels, window : what the model works on.
    max_pixels : that the header may claim.
    pictures : whether a preview is wanted.
    """

    size: int
    channels: int
    window: str
    max_pixels: int
    pictures: bool


@dataclass(frozen=True)
class Decoded:
    """What was understood of a file.

    Attributes
    ----------
    height, width : the image's own.
    pixels : [size, size, channels], uint8 or uint16, as the model wants them.
    preview : PNG, 8-bit; empty where none is wanted.
    """

    height: int
    width: int
    pixels: Array
    preview: bytes


def decode(content: bytes, order: Order) -> Decoded:
    """Decode a file in this process; raises RefusedError for what cannot be used."""
    kind = kind_of(content)
    with _unnamed(content) as file:
        try:
            _refuse_large(claimed_size(file, kind), order.max_pixels)
            pixels = read_image(file, order.channels, window=order.window)
        except MedgraftError as error:
            raise RefusedError(422, _sentence(str(error), file)) from None
        except MemoryError:
            raise RefusedError(422, _LACKS_MEMORY) from None
    if pixels.shape[0] * pixels.shape[1] > order.max_pixels:
        raise RefusedError(422, "The image is larger than its header says; it is damaged.")
    preview = encoded(preview_of(pixels)) if order.pictures else b""
    height, width = pixels.shape[:2]
    return Decoded(height, width, resize_image(pixels, order.size), preview)


def claimed_size(file: Path, kind: str) -> tuple[int, int]:
    """Height and width by the header, before anything is decoded; DataError where there is none."""
    if kind != "PNG":
        return image_size(file)
    # An orientation may stand behind the pixels of a PNG, so image_size would decode them.
    try:
        with file.open("rb") as opened, Image.open(opened, formats=["PNG"]) as image:
            return image.height, image.width
    except Image.DecompressionBombError:
        return _ENDLESS
    except (OSError, SyntaxError, ValueError):
        raise DataError(f"{file}: cannot be read as PNG, it is damaged; replace the file or take it out.") from None


def _refuse_large(size: tuple[int, int], most: int) -> None:
    count = size[0] * size[1]
    if count < 1:
        raise RefusedError(422, "The image has no pixels.")
    if count > most:
        has = f"{count:,} pixels" if size != _ENDLESS else "too many pixels"
        raise RefusedError(413, f"The image has {has}, and at most {most:,} are taken; send a smaller copy of it.")
    if max(size) > MOST_SIDE:
        raise RefusedError(413, f"The image is {max(size):,} pixels long, and at most {MOST_SIDE:,} are taken; cut it.")


@contextlib.contextmanager
def _unnamed(content: bytes) -> Iterator[Path]:
    """A path to read the content by: memory without a name, or where the system has none, a file of a random name."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory(prefix="medgraft-") as folder:
            file = Path(folder) / "upload"
            file.write_bytes(content)
            yield file
        return
    place = os.memfd_create("upload")
    try:
        with os.fdopen(os.dup(place), "wb") as opened:
            opened.write(content)
        # Readers keep headers by a file's path, size and time; no two uploads may look like one file.
        number = next(_NUMBERS)
        os.utime(place, ns=(number, number))
        yield Path(f"/proc/self/fd/{place}")
    finally:
        os.close(place)


def _sentence(message: str, file: Path) -> str:
    """A reader's message for somebody who knows no path."""
    text = message.removeprefix(f"{file}: ")
    if f"{file.name}#" in text:
        text = text.partition(";")[0] + "; save the one you mean as a file of its own."
    text = re.sub(r", whatever its name ends in( \([^)]*\))?", "", text).replace(str(file), "the file")
    text = text.replace("replace the file or take it out", "send another copy of it")
    text = text.replace("take the file out", "send an image instead")
    return text[:1].upper() + text[1:]


def main() -> None:
    """Answer until the standard input ends."""
    limits = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, target = _own_streams()
    cv2.setNumThreads(1)
    _import_codecs()
    _confine(limits)
    most = _held() + LEFT_BYTES + limits["max_bytes"]
    send(target, {"ready": True}, b"")
    while (message := receive(source)) is not None:
        _alarm(limits["seconds"])
        answer, body = _answered(*message)
        _alarm(0)
        # Who waits for the answer has to know that it is the last one, before it sends another file.
        last = answer.get("sentence") == _LACKS_MEMORY or _held() > most
        send(target, answer | {"last": last}, body)


def _answered(head: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        found = decode(content, Order(**head))
    except RefusedError as refused:
        return {"status": refused.status, "sentence": refused.sentence}, b""
    except MemoryError:
        return {"status": 422, "sentence": _LACKS_MEMORY}, b""
    except Exception:  # what a codec raises for a damaged file is beyond listing
        return {"status": 422, "sentence": "The file cannot be read; it is damaged, or of an unknown kind."}, b""
    pixels = np.ascontiguousarray(found.pixels)
    about = {"height": found.height, "width": found.width, "shape": pixels.shape, "dtype": str(pixels.dtype)}
    return about, pixels.tobytes() + found.preview


def receive(source: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None where the stream has ended."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    texts, length = HEAD.unpack(head)
    text, body = source.read(texts), source.read(length)
    if len(text) < texts or len(body) < length:
        return None
    return json.loads(text), body


def send(target: IO[bytes], about: dict[str, Any], body: bytes) -> None:
    """Write a message."""
    text = json.dumps(about).encode()
    target.write(HEAD.pack(len(text), len(body)) + text)
    target.write(body)
    target.flush()


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes for ourselves; whatever reads or prints elsewhere meets the null device."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    return source, target


def _import_codecs() -> None:
    """Load what the first image would load, so that it is neither late nor short of memory."""
    import pydicom.pixels

    Image.init()
    del pydicom


def _confine(limits: dict[str, Any]) -> None:
    """Bound the memory, the files and the dumps of this process, where the system can."""
    try:
        import resource
    except ImportError:
        return
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory = pages * resource.getpagesize() + BASE_BYTES + BYTES_A_PIXEL * limits["max_pixels"]
        memory += 3 * limits["max_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for bound, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits["max_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(bound, (value, value))


def _held() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def _alarm(seconds: float) -> None:
    """End this process when it has used so much processor time; 0 calls that off.

    A machine that does other work meanwhile does not make a good image a bad one.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
