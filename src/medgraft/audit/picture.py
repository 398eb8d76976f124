"""One picture, read once: its pixels with as few channels as they need, and what the header says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.jpeg import read_jpeg
from medgraft.data.formats import Address, read_image
from medgraft.data.formats.raster import Stored, read_stored
from medgraft.data.formats.reading import FORMATS, format_of

_OTHER_NAMES = {".nii": "NIfTI", ".gz": "NIfTI", ".nrrd": "NRRD", ".nhdr": "NRRD"}


def read_picture(address: str, window: str) -> Stored:
    """Read a picture with its pixels as [H, W, 1 or 3]; raises DataError where that cannot be done.

    Channels and bits of DICOM files and of volumes are those of what was read.

    Parameters
    ----------
    address : a file, or ``file#part``.
    window : see :func:`medgraft.data.formats.read_image`.
    """
    stored = read_jpeg(address)
    if stored is not None:
        return _three_axes(stored)
    place = Address.parse(address)
    if format_of(place.file) is FORMATS[-1]:
        return _three_axes(read_stored(place.file, place.part))
    pixels = read_image(address, 3, window=window)
    if is_grey(pixels):
        pixels = np.ascontiguousarray(pixels[..., :1])
    name = _OTHER_NAMES.get(place.file.suffix.lower(), "DICOM")
    return Stored(pixels, name, pixels.shape[2], pixels.dtype.itemsize * 8)


def _three_axes(stored: Stored) -> Stored:
    return stored if stored.pixels.ndim == 3 else replace(stored, pixels=stored.pixels[..., None])


def luminance(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[H, W] of [H, W, 1 or 3], same type: the one channel, or of colours that of ITU-R BT.601."""
    return pixels[..., 0] if pixels.shape[2] == 1 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def is_grey(pixels: npt.NDArray[Any]) -> bool:
    """Whether all channels of [H, W, C] are equal; a few rows tell of most pictures that they are not."""
    others = range(1, pixels.shape[2])
    few = pixels[:: max(1, len(pixels) // 4)]
    if any((few[..., 0] != few[..., channel]).any() for channel in others):
        return False
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in others)
