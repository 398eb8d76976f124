"""Many different pictures of 512 px with the detail of photographs, and copies of some, written as JPEG files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

SIDE = 512
COPIES = 100
"""Of the pictures, one in so many is there again: smaller, flipped, and encoded with less quality."""

Pixels = npt.NDArray[np.uint8]


def write_pictures(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Write ``count`` JPEG files of quality 90 into ``folder``; the last of them are copies of the first.

    Half are colour crops of the photographs that scikit-image ships with itself (a retina, stained tissue, and others),
    turned, scaled and tinted at random; half are grey crops of them, with low frequencies of their own laid over both,
    so that no two are alike.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    copies = count // COPIES
    files = [folder / f"{number:06d}.jpg" for number in range(count)]
    pictures = _pictures(rng)
    for number, file in enumerate(files[: count - copies]):
        _save(file, next(pictures), 90)
        if number < copies:
            again = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            again = cv2.resize(again, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            again = again if number % 2 else cv2.flip(again, 1)
            cv2.imwrite(str(files[count - copies + number]), again, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return files


def _pictures(rng: np.random.Generator) -> Iterator[Pixels]:
    names = ("retina", "immunohistochemistry", "astronaut", "coffee", "chelsea", "rocket")
    sources = [_at_least(getattr(skimage.data, name)()[..., :3]) for name in names]
    while True:
        source = sources[rng.integers(len(sources))]
        angle, scale = rng.uniform(-180, 180), rng.uniform(1.0, 1.6)
        height, width = source.shape[:2]
        centre = (rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height)
        matrix = cv2.getRotationMatrix2D(centre, angle, scale)
        matrix[:, 2] += SIDE / 2 - np.array(centre)
        crop = cv2.warpAffine(source, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        light = cv2.resize(rng.normal(0, 25, (6, 6, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        mixed = np.clip(crop.astype(np.float32) + light, 0, 255).astype(np.uint8)
        yield mixed if rng.random() < 0.5 else cv2.cvtColor(mixed, cv2.COLOR_RGB2GRAY)


def _at_least(picture: Pixels) -> Pixels:
    scale = max(1.0, SIDE / min(picture.shape[:2]))
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))


def _save(file: Path, picture: Pixels, quality: int) -> None:
    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(file), shown, [cv2.IMWRITE_JPEG_QUALITY, quality])
