"""Skin and lesion of a synthetic image: pigment that absorbs light, on skin of varied tone.

Colours are transmitted light: skin times ``exp(-amount * absorption)`` for each pigment (Beer-Lambert),
which gives the browns, greys and reds of dermoscopy without choosing each of them.
"""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

# Reflectance in RGB, from light to dark skin as a polarised dermatoscope shows it.
_SKIN = {
    "light": (0.90, 0.74, 0.68),
    "fair": (0.86, 0.68, 0.58),
    "medium": (0.78, 0.58, 0.46),
    "olive": (0.70, 0.52, 0.38),
    "brown": (0.55, 0.38, 0.27),
    "dark": (0.40, 0.27, 0.20),
}
_SHARES = (0.26, 0.28, 0.2, 0.12, 0.09, 0.05)
# Absorption in RGB per unit of pigment: melanin takes blue most, blood takes green.
_MELANIN = np.array([0.55, 1.0, 1.25], np.float32)
_BLOOD = np.array([0.12, 0.9, 0.7], np.float32)
_VEIL = np.array([0.44, 0.47, 0.53], np.float32)


def smooth_noise(size: int, cells: float, rng: np.random.Generator) -> Plane:
    """Return ``[size, size]`` noise with mean about 0, deviation about 1 and features of size / cells pixels."""
    side = max(4, int(np.ceil(cells)) + 3)
    grid = rng.standard_normal((side, side), dtype=np.float32)
    noise = np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6))


def paint_skin(size: int, rng: np.random.Generator) -> tuple[Plane, str]:
    """Return skin ``[size, size, 3]`` in [0, 1] and the name of its tone."""
    tone = str(rng.choice(list(_SKIN), p=_SHARES))
    base = np.array(_SKIN[tone], np.float32) * rng.normal(1.0, 0.03, 3).astype(np.float32)
    melanin = 0.05 * smooth_noise(size, 3, rng) + 0.03 * smooth_noise(size, 14, rng)
    blood = 0.06 * rng.random() * smooth_noise(size, 4, rng) + rng.uniform(0.0, 0.15)
    grain = 0.025 * smooth_noise(size, size / 3, rng) + 0.02 * _furrows(size, rng)
    melanin += grain * rng.uniform(0.5, 1.6)
    light = 1.0 + 0.06 * smooth_noise(size, 1, rng)
    return light[..., None] * base * _absorb(melanin, blood), tone


def paint_lesion(skin: Plane, rng: np.random.Generator) -> tuple[Plane, npt.NDArray[np.uint8], float]:
    """Paint a lesion on ``skin`` [S, S, 3].

    Returns
    -------
    tuple
        The image; the mask ``[S, S]`` of 0 and 1, 1 where the pigment's outline runs around; and the lesion's
        pigment (0.2 hardly visible, 1.5 nearly black).
    """
    size = len(skin)
    depth = _outline_depth(size, rng)
    mask = (depth > 0).astype(np.uint8)
    # Some borders are sharp on one side and fade on another.
    blur = float(np.clip(rng.lognormal(-3.4, 0.7), 0.008, 0.12))
    softness = size * blur * np.exp(0.5 * smooth_noise(size, 2, rng))
    cover = 1.0 / (1.0 + np.exp(-np.clip(4.0 * depth / softness, -30, 30)))
    amount = float(np.clip(rng.lognormal(-0.35, 0.45), 0.28, 1.6))
    melanin = amount * cover * _structure(size, depth, rng)
    blood = cover * rng.uniform(0.0, 0.22) + _flush(size, depth, rng)
    image = skin * _absorb(melanin, blood)
    if rng.random() < 0.18:
        image = _veiled(image, depth, rng)
    return image.astype(np.float32), mask, amount


def _absorb(melanin: Plane, blood: Plane) -> Plane:
    pigment = cv2.merge([melanin, blood])
    return np.asarray(cv2.exp(cv2.transform(pigment, -np.column_stack([_MELANIN, _BLOOD]))))


def _furrows(size: int, rng: np.random.Generator) -> Plane:
    """The fine lines of skin: noise stretched along two directions."""
    lines = np.zeros((size, size), np.float32)
    start = rng.uniform(0, 180)
    for angle in (start, start + rng.uniform(50, 90)):
        stretched = cv2.resize(
            rng.normal(0, 1, (size // 3 + 2, size // 16 + 2)).astype(np.float32), (2 * size, 2 * size)
        )
        turn = cv2.getRotationMatrix2D((size, size), angle, 1.0)
        turn[:, 2] -= size / 2
        lines += cv2.warpAffine(stretched, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    return lines


def _outline_depth(size: int, rng: np.random.Generator) -> Plane:
    """Depth inside an irregular closed outline in pixels (about), negative outside, ``[size, size]``."""
    radius = size * float(np.clip(rng.lognormal(np.log(0.22), 0.4), 0.09, 0.42))
    middle = size / 2 + rng.normal(0.0, 0.06 * size, 2)
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    # The plane is bent a little first, so that outlines need not be star-shaped.
    bend = radius * rng.uniform(0.02, 0.16)
    xs = xs - np.float32(middle[0]) + bend * smooth_noise(size, 4, rng)
    ys = ys - np.float32(middle[1]) + bend * smooth_noise(size, 4, rng)
    angle = rng.uniform(0, np.pi)
    stretch = rng.uniform(1.0, 1.55)
    cosine, sine = cos(angle), sin(angle)
    along = (cosine * xs + sine * ys) / sqrt(stretch)
    across = (cosine * ys - sine * xs) * sqrt(stretch)
    # The outline is worked out for some angles and looked up for the pixels, which is several times faster.
    turns = np.linspace(-np.pi, np.pi, 721)
    outline = np.ones_like(turns)
    irregular = rng.uniform(0.05, 0.4)
    for harmonic in range(2, 9):
        strength = irregular * rng.normal() / harmonic**1.3
        outline += strength * np.cos(harmonic * turns + rng.uniform(0, 2 * np.pi))
    theta = cv2.phase(along, across)
    edge = outline.astype(np.float32)[np.int32(theta * np.float32(720 / (2 * np.pi)))]
    edge = edge + rng.uniform(0.0, 0.02) * smooth_noise(size, 40, rng)
    return np.asarray(radius * np.maximum(edge, 0.3) - np.hypot(along, across), np.float32)


def _structure(size: int, depth: Plane, rng: np.random.Generator) -> Plane:
    """How pigment is spread inside: clouds, a network, globules, a darker or paler middle; about 1 on average."""
    inner = np.clip(depth / (depth.max() + 1e-6), 0, 1)
    spread = 1.0 + rng.uniform(0.08, 0.4) * smooth_noise(size, rng.uniform(4, 9), rng)
    spread += 0.1 * smooth_noise(size, size / 5, rng)
    spread += rng.uniform(-0.45, 0.7) * inner
    kind = rng.random()
    if kind < 0.4:
        spread += rng.uniform(0.1, 0.35) * _network(size, rng) * (1.0 - 0.6 * inner)
    elif kind < 0.7:
        dots = np.clip(smooth_noise(size, size / 9, rng) - 1.0, 0, 1.5)
        spread += rng.uniform(0.3, 0.9) * dots
    if rng.random() < 0.3:
        blotch = np.clip(smooth_noise(size, 5, rng) - 0.6, 0, 1)
        spread += rng.uniform(0.5, 1.2) * blotch
    if rng.random() < 0.2:
        pale = np.clip(smooth_noise(size, 5, rng) - 0.5, 0, 1)
        spread -= rng.uniform(0.3, 0.6) * pale * (inner > 0.15)
    return np.asarray(np.clip(spread, 0.25, 2.5))


def _network(size: int, rng: np.random.Generator) -> Plane:
    """A honeycomb of thin lines: where smooth noise crosses zero."""
    field = smooth_noise(size, size / 8, rng)
    return np.asarray(np.exp(-((field / 0.35) ** 2)) - 0.4, np.float32)


def _flush(size: int, depth: Plane, rng: np.random.Generator) -> Plane:
    """Redness of the skin around some lesions, not part of the mask."""
    if rng.random() > 0.35:
        return np.zeros_like(depth)
    reach = size * rng.uniform(0.04, 0.15)
    ring = np.exp(-np.maximum(-depth, 0) / reach) * np.clip(0.6 + 0.5 * smooth_noise(size, 4, rng), 0, 1.5)
    return np.asarray(rng.uniform(0.08, 0.25) * ring, np.float32)


def _veiled(image: Plane, depth: Plane, rng: np.random.Generator) -> Any:
    """A blue-white veil over part of the lesion."""
    inside = np.clip(depth / (0.25 * depth.max() + 1e-6), 0, 1)
    part = np.clip(smooth_noise(len(depth), 4, rng), 0, 1) * inside * rng.uniform(0.15, 0.5)
    return image * (1.0 - part[..., None]) + _VEIL * part[..., None]
