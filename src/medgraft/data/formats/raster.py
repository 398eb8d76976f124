"""Raster files (PNG, JPEG, TIFF, BMP, WebP, GIF) as arrays, at the depth they were stored with.

Orientation: pixels are returned as a viewer shows them, so an EXIF orientation is applied, to images and to
masks alike. A mask drawn over the picture on a screen then lies on it; a mask that was drawn over the
unrotated pixels of a quarter-turned photograph has another size and is refused where the two meet.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from medgraft.data.formats.raster_pages import own_pages, turn_to
from medgraft.errors import DataError

IMAGE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")

Array = npt.NDArray[Any]

_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Pillow opens nothing larger, and no other format is read that is."""
TOO_LARGE = (
    f"its header claims more than {MOST_PIXELS:,} pixels, so it is damaged, made to fill the "
    "memory, or too large for an image to learn from; cut it into tiles, or take it out"
)
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, which Pillow uses for 8-bit images too


def read_image(path: str | Path, channels: int = 3, at_least: int | None = None, page: str = "") -> Array:
    """Read an image as ``[H, W, channels]``, uint8, or uint16 where the file has more than 8 bits a channel.

    Palettes are looked up, CMYK is converted, transparency is dropped, 1-bit becomes 0 and 255.

    Parameters
    ----------
    path : the file.
    channels : 3 repeats grey images as RGB; 1 takes the luminance (ITU-R BT.601) of colour images.
    at_least : a JPEG may be decoded at 1/2, 1/4 or 1/8 of its scale as long as its short side keeps this many
        pixels; other formats are read whole.
    page : the number of a page of a TIFF, as :func:`pages` gives it; empty for a file of one picture.

    Raises
    ------
    DataError
        When the file is missing, truncated, no image, too large, of several frames, or of floating-point values.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    path = Path(path)
    with _opened(path, page) as image:
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        pixels = _pixels(image, path, _bits(image, path), grey=channels == 1)
    return np.require(with_channels(pixels, channels), requirements=["C", "W"])


@dataclass(frozen=True)
class Stored:
    """A picture as its file has it.

    Attributes
    ----------
    pixels : [H, W] or, in colour, [H, W, 3]; uint8 or uint16, not to be written to.
    format : ``PNG``, ``JPEG``, ...
    channels, bits : as stored, transparency included; a palette counts as 3 channels.
    """

    pixels: Array
    format: str
    channels: int
    bits: int


def read_stored(path: str | Path, page: str = "") -> Stored:
    """Read an image as :func:`read_image` does, with the channels it has; raises DataError as that does."""
    path = Path(path)
    with _opened(path, page) as image:
        bits = _bits(image, path)
        channels = 3 if image.mode in ("P", "PA") else len(image.getbands())
        return Stored(_pixels(image, path, bits, grey=False), str(image.format), channels, bits)


def read_mask(path: str | Path, page: str = "") -> Array:
    """Read a mask as ``[H, W]`` integers, exactly as stored.

    A palette gives its indices, a 1-bit mask 0 and 1, a colour mask whose channels are equal that channel.

    Raises
    ------
    DataError
        When the file cannot be read, its channels differ, or its values are floating-point numbers.
    """
    path = Path(path)
    with _opened(path, page) as image:
        image.load()
        if image.mode in ("P", "PA"):
            values = np.asarray(image if image.mode == "P" else image.getchannel(0))
        elif _bits(image, path) > 8:
            values = _read_deep(image, path)
        else:
            values = _stored_grey(np.asarray(image), image, path)
        values = _oriented(values, image)
    return np.require(single_channel(values, path), requirements=["C", "W"])


def image_size(path: str | Path, page: str = "") -> tuple[int, int]:
    """Return ``(height, width)`` as shown, from the header alone; raises DataError where there is none."""
    with _opened(Path(path), page) as image:
        width, height = image.size
        # Pillow reports a TIFF's size already turned, any other format's size as stored.
        if image.format != "TIFF" and image.getexif().get(Base.Orientation, 1) >= 5:
            width, height = height, width
    return height, width


def pages(path: str | Path) -> list[str]:
    """The numbers of a TIFF's pages, in digits of one length; ``[""]`` for a file of one picture.

    Only a TIFF is opened for it. Raises DataError where one cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        return [""]
    with _file_opened(path) as image:
        numbers = own_pages(image)
    return [""] if len(numbers) == 1 else [str(number).zfill(len(str(numbers[-1]))) for number in numbers]


def _pixels(image: Image.Image, path: Path, bits: int, grey: bool) -> Array:
    """[H, W], or [H, W, 3] of a coloured image unless its luminance is wanted; perhaps in memory that is read-only."""
    image.load()
    if bits > 8:
        return _oriented(_read_deep(image, path), image)
    mode = "L" if grey or image.mode in ("1", "L", "LA") else "RGB"
    return _oriented(np.asarray(image if image.mode == mode else _flat_colour(image).convert(mode)), image)


@contextmanager
def _opened(path: Path, page: str) -> Iterator[Image.Image]:
    """Open the file at its page and turn whatever goes wrong while it is read into one DataError."""
    with _file_opened(path) as image:
        turn_to(image, path, page)
        yield image


@contextmanager
def _file_opened(path: Path) -> Iterator[Image.Image]:
    try:
        # A file object, not a name: Pillow maps a named raw TIFF and scrambles it where it is quarter-turned.
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: {TOO_LARGE}.") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: {_reason(path, error)}; replace the file or take it out.") from error


def _reason(path: Path, error: BaseException) -> str:
    if isinstance(error, PermissionError | IsADirectoryError):
        return f"cannot be opened ({error.strerror})"
    if path.exists() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, whatever its name ends in ({path.suffix})"
    return f"cannot be read as an image, it is damaged or of an unknown kind ({error})"


def _bits(image: Image.Image, path: Path) -> int:
    """Bits a channel in the file; Pillow's mode does not tell, as it reads 16-bit colour as 8-bit."""
    if image.mode == "F":
        raise DataError(f"{path}: holds floating-point values; save it with 8 or 16 bits a channel.")
    if image.mode.startswith("I"):
        return 16
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if image.format == "TIFF":
        return int(max(getattr(image, "tag_v2", {}).get(258, (8,))))
    return 1 if image.mode == "1" else 8


def _read_deep(image: Image.Image, path: Path) -> Array:
    """Pixels of more than 8 bits as uint16, ``[H, W]`` or ``[H, W, 3]``."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise DataError(f"{path}: holds values outside 0 to 65535; save it with 8 or 16 bits a channel.")
        return values.astype(np.uint16)
    decoded = _decoded(path, image.tell())
    if (
        decoded is None
        or image.mode == "CMYK"
        or decoded.dtype != np.uint16
        or decoded.shape[:2] != (image.height, image.width)
    ):
        raise DataError(f"{path}: this kind of image with more than 8 bits a channel cannot be read.")
    return decoded if decoded.ndim == 2 else np.asarray(decoded[..., 2::-1])


def _decoded(path: Path, page: int) -> Array | None:
    content = np.fromfile(path, np.uint8)
    if page == 0:
        return cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    _, found = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    return found[0] if found else None


def _flat_colour(image: Image.Image) -> Image.Image:
    """A palette may carry transparency, which the conversion to RGB would otherwise warn about."""
    return image.convert("RGBA") if image.mode in ("P", "PA") else image


def _oriented(pixels: Array, image: Image.Image) -> Array:
    """Turn the pixels as the EXIF orientation asks (already done, and the tag dropped, for a TIFF)."""
    orientation = image.getexif().get(Base.Orientation, 1)
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def with_channels(pixels: Array, channels: int) -> Array:
    """``pixels`` [H, W] or [H, W, 3] as [H, W, channels]: grey repeated, or colour as its luminance."""
    if channels == 3:
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    if pixels.ndim == 3:
        pixels = np.rint(pixels @ _LUMINANCE).astype(pixels.dtype)
    return pixels[..., None]


def _stored_grey(values: Array, image: Image.Image, path: Path) -> Array:
    """Undo Pillow's stretching of 1-, 2- and 4-bit grey to 8 bits."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    bits = _bits(image, path)
    return values // (255 // (2**bits - 1)) if bits in (2, 4) and image.mode == "L" else values


def single_channel(values: Array, path: Path) -> Array:
    """The grey levels of ``values`` [H, W] or [H, W, 2 to 4]; raises DataError where it is coloured."""
    if values.ndim == 2:
        return values
    colours = values[..., : 1 if values.shape[2] == 2 else 3]  # the rest is transparency
    if values.shape[2] > 4 or (colours != colours[..., :1]).any():
        raise DataError(
            f"{path}: a colour image where a mask is wanted; save the mask as grey levels or palette indices."
        )
    return np.asarray(colours[..., 0])
