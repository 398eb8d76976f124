"""How far an image is from the training images, read as a rank among images that were held out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ROUNDING = 1e-6
"""By how much the distance of one and the same image may differ, as sums are rounded in the order of a batch."""


@dataclass(frozen=True)
class Familiarity:
    """Distances of held-out images, which say what distance is usual.

    The distance of an image is the cosine distance of its features to the ``k``-th nearest among those of training
    images (Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", arXiv:2204.06507).

    Attributes
    ----------
    k : which neighbour.
    images : training images that are compared with.
    distances : of the validation images, ascending.
    """

    k: int
    images: int
    distances: tuple[float, ...]

    @classmethod
    def of(cls, k: int, images: int, distances: npt.NDArray[np.floating[Any]] | Sequence[float]) -> Familiarity:
        """From the distances of held-out images, in any order."""
        return cls(k, images, tuple(sorted(round(float(value), 8) for value in distances)))

    def quantile(self, distance: float) -> float:
        """Share of the held-out images, 0 to 1, that are at most as far from the training images."""
        return bisect_right(self.distances, distance + ROUNDING) / len(self.distances)

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; :meth:`from_dict` reads them back."""
        return {"k": self.k, "images": self.images, "distances": list(self.distances)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Familiarity:
        """Read what :meth:`to_dict` wrote."""
        return cls(int(raw["k"]), int(raw["images"]), tuple(float(value) for value in raw["distances"]))
