"""A scale that anyone can reproduce: what photographs and noise come to under the same encoder.

The photographs are those that scikit-learn and matplotlib ship, and those of scikit-image where that is installed; no
one has to download any. A few photographs are no ImageNet: the fewer there are, the further they seem.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data import read_image, resize_image
from medgraft.files import cache_root, write_text
from medgraft.models import Encoder
from medgraft.transfer.distance import from_pretraining
from medgraft.transfer.onnx_export import prefix_digest

PHOTOGRAPHS = {
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "skimage": tuple(f"data/{name}" for name in (
        "astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"
    )),
}  # fmt: skip
"""Colour photographs of everyday things in packages, by package; the first two are always installed."""
CROPS, NOISE = 64, 16
"""Crops of all photographs together, and images of noise."""
GREY, SPREAD = 127.5, 64.0
"""Mean and standard deviation of the Gaussian noise, before it is cut off at 0 and 255."""
_FORMAT = 1
_AREA, _ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
_TRIES = 10

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Anchors:
    """Distances from the pretraining images, to hold another one against.

    Attributes
    ----------
    photographs : of crops of ordinary photographs.
    pictures : how many photographs these are from.
    gaussian, uniform : of noise, each value of each pixel on its own.
    """

    photographs: float
    pictures: int
    gaussian: float
    uniform: float


def anchors(encoder: Encoder, size: int, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Anchors:
    """The anchors of a BatchNorm encoder for images of ``size``, from the cache where they were measured before.

    Parameters
    ----------
    seed : of crops and noise.
    progress : called with ``(done, total)`` images.

    Raises
    ------
    RecipeError
        As :func:`~medgraft.transfer.distance.from_pretraining`.
    """
    files = photograph_files()
    digest = prefix_digest(encoder, len(encoder.blocks), (encoder.in_channels, size, size))
    path = cache_root() / "anchors" / f"{digest[:32]}-{len(files)}-{seed}-{_FORMAT}.json"
    with suppress(OSError, ValueError, TypeError):
        return Anchors(**json.loads(path.read_text(encoding="utf-8")))
    found = _measured(encoder, size, seed, files, progress)
    # A cache that cannot be written costs the next call a few seconds.
    with suppress(OSError):
        write_text(path, json.dumps(asdict(found)))
    return found


def photograph_files() -> list[Path]:
    """The photographs that are installed."""
    files = []
    for package, names in PHOTOGRAPHS.items():
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            files += [Path(place) / name for name in names]
    return [file for file in files if file.is_file()]


def crops(files: list[Path], count: int, size: int, channels: int, seed: int = 0) -> Images:
    """Crops [count, size, size, channels] of the photographs in turn, as they are cut to train on ImageNet.

    A crop has 8 to 100% of the area and an aspect of 3/4 to 4/3, and every second one on average is mirrored (Szegedy
    et al. 2015, arXiv:1409.4842).
    """
    rng = np.random.default_rng(seed)
    pictures = [read_image(file, channels) for file in files]
    cut = [_crop(pictures[number % len(pictures)], size, rng) for number in range(count)]
    return np.stack(cut)


def noise(kind: str, count: int, size: int, channels: int, seed: int = 0) -> Images:
    """Noise [count, size, size, channels]: ``gaussian`` about mid-grey, or ``uniform`` from 0 to 255."""
    rng, shape = np.random.default_rng(seed), (count, size, size, channels)
    if kind == "uniform":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return np.clip(rng.normal(GREY, SPREAD, shape), 0, 255).astype(np.uint8)


def _measured(
    encoder: Encoder, size: int, seed: int, files: list[Path], progress: Callable[[int, int], None] | None
) -> Anchors:
    channels, done, total = encoder.in_channels, 0, CROPS + 2 * NOISE

    def distance(images: Images) -> float:
        nonlocal done
        before, done = done, done + len(images)
        told = None if progress is None else lambda count: progress(before + count, total)
        return from_pretraining(encoder, [images], draws=1, progress=told).value

    photographs = distance(crops(files, CROPS, size, channels, seed))
    gaussian = distance(noise("gaussian", NOISE, size, channels, seed))
    uniform = distance(noise("uniform", NOISE, size, channels, seed))
    return Anchors(photographs, len(files), gaussian, uniform)


def _crop(picture: npt.NDArray[Any], size: int, rng: np.random.Generator) -> Images:
    height, width = picture.shape[:2]
    for _ in range(_TRIES):
        area, aspect = height * width * rng.uniform(*_AREA), np.exp(rng.uniform(*np.log(_ASPECT)))
        across, down = round(float(np.sqrt(area * aspect))), round(float(np.sqrt(area / aspect)))
        if across <= width and down <= height:
            break
    else:
        across = down = min(height, width)
    top, left = rng.integers(height - down + 1), rng.integers(width - across + 1)
    part = resize_image(picture[top : top + down, left : left + across], size)
    return np.asarray(part[:, ::-1] if rng.random() < 0.5 else part, np.uint8)
