"""How much a server takes on: sizes of what is sent, and room for what is in work."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from types import TracebackType

from medgraft.errors import RecipeError

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The bounds of a server.

    Attributes
    ----------
    queue : images that may be in work or waiting, of all requests together.
    max_bytes : of the body of one request.
    max_images : in one request.
    max_pixels : of one image, by its header.
    decode_seconds : of processor time that the decoding of one image may take; three times that by the clock.
    pause_seconds : that a client may keep silent in the middle of a body.
    least_rate : bytes a second that a body comes with on average, after the first ``pause_seconds``.
    batch : images that go through a model at once.
    patience : seconds that an image waits for others to go with it.

    Raises
    ------
    RecipeError
        For a bound below 1, and for more images in a request than the queue holds.
    """

    queue: int = 64
    max_bytes: int = 64 * MEBIBYTE
    max_images: int = 16
    max_pixels: int = 32_000_000
    decode_seconds: float = 10.0
    pause_seconds: float = 10.0
    least_rate: int = 32 * 1024
    batch: int = 8
    patience: float = 0.003

    def __post_init__(self) -> None:
        for option in ("queue", "max_bytes", "max_images", "max_pixels"):
            if getattr(self, option) < 1:
                raise RecipeError(f"--{option.replace('_', '-')}: at least 1 is wanted, not {getattr(self, option)}.")
        if self.max_images > self.queue:
            raise RecipeError(
                f"--max-images: a request of {self.max_images} images never fits into a queue of {self.queue}; "
                "lower it, or raise --queue."
            )

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies that are held in memory, of all requests together."""
        return max(4 * self.max_bytes, 64 * MEBIBYTE)


class BusyError(Exception):
    """There is no room for more; the request is to be sent again later."""


class Room:
    """Counts images and bytes in work; what does not fit is turned away and never waits.

    Parameters
    ----------
    images, content : how many images, and how many bytes of bodies, there is room for.
    """

    def __init__(self, images: int, content: int) -> None:
        self._most = (images, content)
        self._lock = Lock()
        self.images = 0
        self.content = 0

    def visit(self) -> Visit:
        """What one request takes, which is given back when the visit ends, however it ends."""
        return Visit(self)

    def take(self, images: int, content: int) -> None:
        """Take room, all of it or none; raises BusyError where there is too little."""
        with self._lock:
            if self.images + images > self._most[0] or self.content + content > self._most[1]:
                raise BusyError
            self.images += images
            self.content += content

    def give(self, images: int, content: int) -> None:
        """Give room back."""
        with self._lock:
            self.images -= images
            self.content -= content


class Visit:
    """The room that one request holds; a context manager."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.images = 0
        self.content = 0

    def take(self, images: int = 0, content: int = 0) -> None:
        """Take more; raises BusyError where there is no more."""
        self._room.take(images, content)
        self.images += images
        self.content += content

    def __enter__(self) -> Visit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.give(self.images, self.content)
        self.images = self.content = 0
