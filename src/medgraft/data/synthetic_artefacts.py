"""What lies between lesion and lens in a synthetic image: hair, gel bubbles, ink, a ruler, the dark rim of the view.

None of it changes the mask; it is there so that a threshold on darkness does not find the lesion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

_SHIFT = 4  # OpenCV draws at 1/16 pixel


def add_artefacts(image: Plane, rng: np.random.Generator) -> tuple[Plane, list[str]]:
    """Return ``image`` [S, S, 3] in [0, 1] with some artefacts drawn, and their names."""
    chances: list[tuple[str, float, Callable[[Plane, np.random.Generator], Plane]]] = [
        ("freckles", 0.25, _freckles),
        ("ink", 0.12, _ink),
        ("hair", 0.5, _hair),
        ("ruler", 0.18, _ruler),
        ("bubbles", 0.3, _bubbles),
        ("blur", 0.3, _blur),
        ("vignette", 0.35, _vignette),
        ("rim", 0.2, _rim),
    ]
    present = []
    for name, chance, draw in chances:
        if rng.random() < chance:
            image = draw(image, rng)
            present.append(name)
    return image, present


def _mix(image: Plane, cover: Plane, colour: Any) -> Plane:
    """Lay ``colour`` over the image, as opaque as ``cover`` [S, S] in [0, 1] says."""
    return np.asarray(image + cover[..., None] * (np.asarray(colour, np.float32) - image), np.float32)


def _strokes(size: int, lines: list[npt.NDArray[np.float64]], widths: list[int], smooth: float) -> Plane:
    canvas = np.zeros((size, size), np.uint8)
    for points, width in zip(lines, widths, strict=True):
        fixed = np.round(points * 2**_SHIFT).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(canvas, [fixed], False, 255, width, cv2.LINE_AA, _SHIFT)
    cover = canvas.astype(np.float32) / 255.0
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), smooth) if smooth else cover)


def _curve(start: Any, end: Any, bow: Any, points: int = 24) -> npt.NDArray[np.float64]:
    t = np.linspace(0.0, 1.0, points)[:, None]
    curve: npt.NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * bow + t**2 * end
    return curve


def _hair(image: Plane, rng: np.random.Generator) -> Plane:
    size = len(image)
    direction = rng.uniform(0, 2 * np.pi)
    lines, widths = [], []
    for _ in range(int(rng.choice([rng.integers(2, 9), rng.integers(8, 30)]))):
        angle = direction + rng.normal(0.0, 0.5)
        length = size * rng.uniform(0.2, 0.9)
        way = np.array([np.cos(angle), np.sin(angle)])
        start = rng.uniform(-0.1, 1.1, 2) * size
        bow = start + way * length / 2 + rng.normal(0.0, 0.1 * length, 2)
        lines.append(_curve(start, start + way * length, bow))
        widths.append(int(rng.choice([1, 1, 1, 2]) * max(1, size // 256)))
    dark = np.array([0.13, 0.09, 0.07]) * rng.uniform(0.5, 2.0)
    colour = dark if rng.random() < 0.85 else np.array([0.78, 0.68, 0.55])
    return _mix(image, rng.uniform(0.6, 0.95) * _strokes(size, lines, widths, 0.5), colour)


def _freckles(image: Plane, rng: np.random.Generator) -> Plane:
    """Small brown spots beside the lesion."""
    size = len(image)
    canvas = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(2, 12))):
        centre = tuple(int(v) for v in rng.uniform(0, size, 2))
        axes = tuple(max(1, int(v)) for v in size * rng.uniform(0.006, 0.025, 2))
        cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, float(rng.uniform(0.2, 0.6)), -1)
    amount = cv2.GaussianBlur(canvas, (0, 0), size * 0.006)[..., None]
    return np.asarray(image * np.exp(-amount * np.array([0.5, 0.9, 1.1], np.float32)), np.float32)


def _ink(image: Plane, rng: np.random.Generator) -> Plane:
    """Marks of a surgical pen near the edge."""
    size = len(image)
    lines = []
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, 2 * np.pi)
        rim = size * (0.5 + rng.uniform(0.36, 0.5) * np.array([np.cos(angle), np.sin(angle)]))
        ends = rng.normal(0.0, 0.1 * size, (2, 2))
        lines.append(_curve(rim + ends[0], rim + ends[1], rim + rng.normal(0.0, 0.05 * size, 2)))
    width = int(size * rng.uniform(0.02, 0.05)) + 1
    cover = _strokes(size, lines, [width] * len(lines), size * 0.006)
    patchy = np.clip(cover * rng.normal(0.75, 0.1, cover.shape).astype(np.float32), 0, 1)
    tint = np.array([(0.36, 0.22, 0.55), (0.2, 0.32, 0.62), (0.15, 0.42, 0.45)][rng.integers(3)], np.float32)
    return _mix(image, 0.8 * patchy, tint * np.float32(rng.uniform(0.8, 1.2)))


def _bubbles(image: Plane, rng: np.random.Generator) -> Plane:
    """Air in the contact gel: thin bright rings, dark on one side, with a spot of light."""
    size = len(image)
    light, shade = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(2, 14))):
        x, y = (int(v) for v in rng.uniform(0, size, 2))
        radius = max(2, int(size * rng.exponential(0.018) + size * 0.008))
        start = float(rng.uniform(0, 360))
        cv2.ellipse(light, (x, y), (radius, radius), start, 0, 170, float(rng.uniform(0.25, 0.6)), 1, cv2.LINE_AA)
        cv2.ellipse(shade, (x, y), (radius, radius), start, 180, 350, float(rng.uniform(0.2, 0.45)), 1, cv2.LINE_AA)
        if radius > 3:
            cv2.circle(light, (x + radius // 3, y - radius // 3), max(1, radius // 6), 0.8, -1, cv2.LINE_AA)
    smooth = size / 400
    cover = cv2.GaussianBlur(light, (0, 0), smooth)
    return _mix(_mix(image, cv2.GaussianBlur(shade, (0, 0), smooth), 0.15), cover, 0.97)


def _ruler(image: Plane, rng: np.random.Generator) -> Plane:
    """Millimetre ticks along one side."""
    size = len(image)
    pitch = size * rng.uniform(0.03, 0.06)
    depth = size * rng.uniform(0.01, 0.06)
    lines = []
    for number in range(int(size / pitch) + 1):
        length = size * (0.06 if number % 5 == 0 else 0.035)
        x = number * pitch + 2
        lines.append(np.array([[x, size - depth - length], [x, size - depth]]))
    cover = _strokes(size, lines, [max(1, size // 200)] * len(lines), 0.4)
    cover = np.rot90(cover, int(rng.integers(4)))
    return _mix(image, 0.85 * cover, 0.08 if rng.random() < 0.75 else 0.9)


def _blur(image: Plane, rng: np.random.Generator) -> Plane:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), len(image) / 256 * rng.uniform(0.5, 1.3)))


def _distance(size: int, rng: np.random.Generator) -> Plane:
    """Distance from about the middle, 1 at the middle of a side."""
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = rng.normal(0.0, 0.05, 2).astype(np.float32)
    return np.asarray(np.hypot(axis[None, :] - x, axis[:, None] - y))


def _vignette(image: Plane, rng: np.random.Generator) -> Plane:
    fall = rng.uniform(0.1, 0.35) * _distance(len(image), rng) ** 2.5
    return np.asarray(image * np.maximum(1.0 - fall, 0.0)[..., None], np.float32)


def _rim(image: Plane, rng: np.random.Generator) -> Plane:
    """The black surround of a round field of view."""
    edge = _distance(len(image), rng) - np.float32(rng.uniform(1.02, 1.25))
    return _mix(image, np.clip(0.5 + edge * rng.uniform(12, 60), 0, 1), 0.02)
