"""Which picture of a raster file is meant: a page of a TIFF, or the only one there is.

Pages are counted from 1. Those that a file itself calls smaller copies of another (the levels of a pyramid, a
thumbnail) are none of its pictures. Other formats with several frames (GIF, WebP, APNG) are refused.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from medgraft.errors import DataError

_SUBFILE, _SMALLER_COPY = 254, 1  # TIFF 6.0, section 8: NewSubfileType, bit 0


def own_pages(image: Image.Image) -> list[int]:
    """The numbers of a TIFF's pages that are pictures of their own."""
    found = []
    for place in range(_frames(image)):
        image.seek(place)
        if not getattr(image, "tag_v2", {}).get(_SUBFILE, 0) & _SMALLER_COPY:
            found.append(place + 1)
    return found or [1]


def turn_to(image: Image.Image, path: Path, page: str) -> None:
    """Turn an opened file to its page, or to its only picture where ``page`` is empty; DataError where it has none."""
    if page:
        _turn_to_page(image, path, page)
    elif image.format == "TIFF":
        _turn_to_only_page(image, path)
    elif _frames(image) > 1 and image.format != "MPO":
        # A phone's MPO is a JPEG with a second view behind it; its first frame is the picture.
        raise DataError(f"{path}: holds {_frames(image)} frames where one image is wanted; save the frame you mean.")


def _frames(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _turn_to_page(image: Image.Image, path: Path, page: str) -> None:
    if image.format != "TIFF" or not page.isdecimal():
        raise DataError(f"{path}: has no page {page!r}; only the pages of a TIFF are named so, by their number.")
    try:
        image.seek(int(page) - 1)
    except EOFError:
        raise DataError(f"{path}: has no page {page}; pages are counted from 1.") from None


def _turn_to_only_page(image: Image.Image, path: Path) -> None:
    if _frames(image) == 1:
        return
    numbers = own_pages(image)
    if len(numbers) > 1:
        raise DataError(
            f"{path}: holds {len(numbers)} pages where one image is wanted; name one of them, as "
            f"{path.name}#{numbers[0]}, or save the page you mean."
        )
    image.seek(numbers[0] - 1)
