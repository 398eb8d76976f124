"""Normal values by seed and name: the same on every machine, and whatever else was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

AT_ONCE = 1 << 20
"""Values that are drawn, or summed, at a time."""

Array = npt.NDArray[np.float32]


def normal_like(values: Array, name: str, seed: int) -> Array:
    """Draw i.i.d. normal values with the shape, mean and standard deviation of ``values``.

    The generator is numpy's Philox, a counter-based one (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
    3"), whose key is made of the seed and the name alone.
    """
    mean, spread = _moments(values.reshape(-1))
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
    generator = np.random.Generator(np.random.Philox(key=key))
    drawn = np.empty(values.size, np.float32)
    for start in range(0, values.size, AT_ONCE):
        part = drawn[start : start + AT_ONCE]
        part[:] = mean + spread * generator.standard_normal(len(part))
    return drawn.reshape(values.shape)


def _moments(values: Array) -> tuple[float, float]:
    """Mean and standard deviation (of all n), rounded to float32 so that how they were added up plays no part."""
    parts = [values[start : start + AT_ONCE] for start in range(0, values.size, AT_ONCE)]
    mean = sum(float(part.sum(dtype=np.float64)) for part in parts) / values.size
    variance = sum(float(np.square(part.astype(np.float64) - mean).sum()) for part in parts) / values.size
    return float(np.float32(mean)), float(np.float32(np.sqrt(variance)))
