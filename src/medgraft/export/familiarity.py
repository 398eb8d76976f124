"""What the exported file keeps of the training images, to say how far another image is from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgraft.export.onnx_file import with_distance
from medgraft.serving.familiarity import Familiarity

LARGEST = 1000
"""Training images that are kept at most: 1000 x 1280 features take 2.6 MB in half precision."""

NEIGHBOUR = 10
"""The neighbour that counts; of fewer than 200 images, one in twenty."""

HELD_OUT = 8
"""Validation images below which nothing is said: their ranks would be too coarse."""

Floats = npt.NDArray[np.float32]


def with_familiarity(content: bytes, training: Floats, held_out: Floats) -> tuple[bytes, Familiarity | None]:
    """The ONNX model with an output ``distance``, and what distances are usual.

    Parameters
    ----------
    training : [N, D], features of training images by this very model.
    held_out : [M, D], those of the validation images.

    Returns
    -------
    bytes and Familiarity
        The model as it was and None where there are fewer than :data:`HELD_OUT` held-out images, or 2 for training.
    """
    if len(held_out) < HELD_OUT or len(training) < 2:
        return content, None
    known = _unit(training).astype(np.float16)
    k = max(1, min(NEIGHBOUR, len(known) // 20))
    distances = neighbour_distances(held_out, known, k)
    return with_distance(content, known, k), Familiarity.of(k, len(known), distances)


def neighbour_distances(features: Floats, known: npt.NDArray[np.float16], k: int) -> Floats:
    """Cosine distance [M] of each row of ``features`` to the k-th nearest row of ``known``, which have length 1."""
    similar = _unit(features) @ known.astype(np.float32).T
    return np.asarray(1 - np.partition(similar, -k, axis=1)[:, -k], np.float32)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
