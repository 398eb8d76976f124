"""Pictures for a page: previews, and numbers from 0 to 1 as grey levels."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from medgraft.prediction import Array

PREVIEW = 1024
"""The longest side of a preview, in pixels."""

_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def preview_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of an image's preview: its own, or smaller in the same proportion."""
    share = min(1.0, PREVIEW / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def preview_of(pixels: Array) -> Array:
    """``pixels`` [H, W, C], uint8 or uint16, as 8-bit [h, w] where all is grey, or [h, w, 3]."""
    height, width = preview_size(*pixels.shape[:2])
    if (height, width) != pixels.shape[:2]:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / np.float32(257)).astype(np.uint8)
    grey = pixels.shape[2] == 1 or bool((pixels[..., :1] == pixels[..., 1:]).all())
    return np.asarray(pixels[..., 0] if grey else pixels)


def shares_of(plane: Array, height: int, width: int) -> Array:
    """Numbers from 0 to 1, [h, w], as grey levels 0 to 255, [height, width]."""
    full = cv2.resize(np.asarray(plane, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(np.clip(full, 0, 1) * 255).astype(np.uint8))


def support_of(plane: Array, height: int, width: int) -> Array:
    """What speaks for a class in an explanation, [h, w], as grey levels: 255 is the most; what speaks against is 0."""
    most = float(plane.max(initial=0.0))
    return shares_of(plane / most if most > 0 else np.zeros_like(plane), height, width)


def encoded(picture: Array) -> bytes:
    """A picture, [H, W] of uint8 or uint16 or [H, W, 3] of uint8, as PNG."""
    shown = picture[..., ::-1] if picture.ndim == 3 else picture
    done, content = cv2.imencode(".png", np.ascontiguousarray(shown), _FAST)
    assert done
    return content.tobytes()


def text_of(png: bytes) -> str:
    """A PNG in base64, for JSON."""
    return base64.b64encode(png).decode("ascii")
