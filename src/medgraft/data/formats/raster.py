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
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

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
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, which Pillow uses for 8-bit images too


def read_image(path: str | Path, channels: int = 3, at_least: int | None = None) -> Array:
    """Read an image as ``[H, W, channels]``, uint8, or uint16 where the file has more than 8 bits a channel.

    Palettes are looked up, CMYK is converted, transparency is dropped, 1-bit becomes 0 and 255.

    Parameters
    ----------
    path : the file.
    channels : 3 repeats grey images as RGB; 1 takes the luminance (ITU-R BT.601) of colour images.
    at_least : a JPEG may be decoded at 1/2, 1/4 or 1/8 of its scale as long as its short side keeps this many
        pixels; other formats are read whole.

    Raises
    ------
    DataError
        When the file is missing, truncated, no image, of several frames, or of floating-point values.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    path = Path(path)
    with _opened(path) as image:
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        image.load()
        if _bits(image, path) > 8:
            pixels = _read_deep(image, path)
        else:
            grey = image.mode in ("1", "L", "LA") or channels == 1
            pixels = np.asarray(_flat_colour(image).convert("L" if grey else "RGB"))
        pixels = _oriented(pixels, image)
    return np.require(_with_channels(pixels, channels), requirements=["C", "W"])


def read_mask(path: str | Path) -> Array:
    """Read a mask as ``[H, W]`` integers, exactly as stored.

    A palette gives its indices, a 1-bit mask 0 and 1, a colour mask whose channels are equal that channel.

    Raises
    ------
    DataError
        When the file cannot be read, its channels differ, or its values are floating-point numbers.
    """
    path = Path(path)
    with _opened(path) as image:
        image.load()
        if image.mode in ("P", "PA"):
            values = np.asarray(image if image.mode == "P" else image.getchannel(0))
        elif _bits(image, path) > 8:
            values = _read_deep(image, path)
        else:
            values = _stored_grey(np.asarray(image), image, path)
        values = _oriented(values, image)
    return np.require(_single_channel(values, path), requirements=["C", "W"])


def image_size(path: str | Path) -> tuple[int, int]:
    """Return ``(height, width)`` as shown, from the header alone; raises DataError where there is none."""
    with _opened(Path(path)) as image:
        width, height = image.size
        # Pillow reports a TIFF's size already turned, any other format's size as stored.
        if image.format != "TIFF" and image.getexif().get(Base.Orientation, 1) >= 5:
            width, height = height, width
    return height, width


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open the file and turn whatever goes wrong while it is read into one DataError."""
    try:
        # A file object, not a name: Pillow maps a named raw TIFF and scrambles it where it is quarter-turned.
        with path.open("rb") as file, Image.open(file) as image:
            _refuse_stacks(image, path)
            yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: {_reason(path, error)}; replace the file or take it out.") from error


def _reason(path: Path, error: BaseException) -> str:
    if isinstance(error, PermissionError | IsADirectoryError):
        return f"cannot be opened ({error.strerror})"
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, whatever its name ends in ({path.suffix})"
    return f"cannot be read as an image, it is damaged or of an unknown kind ({error})"


def _refuse_stacks(image: Image.Image, path: Path) -> None:
    frames = getattr(image, "n_frames", 1)
    # A phone's MPO is a JPEG with a second view behind it; its first frame is the picture.
    if frames > 1 and image.format != "MPO":
        raise DataError(f"{path}: holds {frames} frames where one image is wanted; save the frame you mean.")


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
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.shape[:2] != (image.height, image.width):
        raise DataError(f"{path}: this kind of image with more than 8 bits a channel cannot be read.")
    return decoded if decoded.ndim == 2 else np.asarray(decoded[..., 2::-1])


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


def _with_channels(pixels: Array, channels: int) -> Array:
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


def _single_channel(values: Array, path: Path) -> Array:
    if values.ndim == 2:
        return values
    colours = values[..., : 1 if values.shape[2] == 2 else 3]  # the rest is transparency
    if values.shape[2] > 4 or (colours != colours[..., :1]).any():
        raise DataError(
            f"{path}: a colour image where a mask is wanted; save the mask as grey levels or palette indices."
        )
    return np.asarray(colours[..., 0])
