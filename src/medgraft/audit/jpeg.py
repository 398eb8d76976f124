"""Ordinary JPEG files by OpenCV: the same pixels as Pillow's, sooner; what is not ordinary is left to Pillow.

Both decode by libjpeg-turbo, but Pillow copies the pixels once more and reads the headers in Python. A file whose end
is missing is left to Pillow too, which says what is wrong with it.
"""

from __future__ import annotations

import cv2
import numpy as np

from medgraft.data.formats.raster import Stored

_SUFFIXES = (".jpg", ".jpeg")
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"
_FRAMES = range(0xC0, 0xC3)  # ITU T.81, table B.1: baseline, extended and progressive frames
_PLAIN = {0xC4, 0xDB, 0xDD, 0xE0, 0xFE}  # tables, restart intervals, JFIF and comments
_MOST_PIXELS = 1 << 27
_FLAGS = {1: cv2.IMREAD_GRAYSCALE, 3: getattr(cv2, "IMREAD_COLOR_RGB", None)}  # the second since OpenCV 4.11


def read_jpeg(name: str) -> Stored | None:
    """Read a JPEG of 8 bits, grey or YCbCr, that is stored upright and has an end; None for any other file.

    The name is a text, as taking a path apart costs a tenth of what decoding a small picture does.
    """
    if not name.lower().endswith(_SUFFIXES):
        return None
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - see above
            content = file.read()
    except OSError:
        return None
    channels = _channels(content)
    flag = _FLAGS.get(channels)
    if flag is None:
        return None
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if pixels is None else Stored(pixels, "JPEG", channels, 8)


def _channels(content: bytes) -> int:
    """Of an ordinary file by its markers; 0 where there is one that says how pixels are to be shown, or none at all.

    EXIF (an orientation), Adobe's (other colours) and several pictures in a file are such.
    """
    if not (content.startswith(_BEGIN) and content.endswith(_END)):
        return 0
    place = 2
    while place + 10 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[place + at : place + at + 2], "big") for at in (5, 7))
            ordinary = content[place + 4] == 8 and 0 < height * width <= _MOST_PIXELS
            return content[place + 9] if ordinary else 0
        if marker not in _PLAIN:
            return 0
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return 0
