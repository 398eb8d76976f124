"""Which things belong together when only pairs of them are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Clusters:
    """Things that are alone at first and are joined pair by pair.

    Attributes
    ----------
    labels : [n], the smallest member of the cluster of each thing.
    """

    def __init__(self, count: int) -> None:
        self.labels: Indices = np.arange(count, dtype=np.int64)
        self._links: list[Indices] = []

    @property
    def links(self) -> Indices:
        """[m, 2], the pairs that joined two clusters: enough to connect every cluster, and no more."""
        return np.concatenate([np.empty((0, 2), np.int64), *self._links])

    def apart(self, first: Indices, second: Indices) -> npt.NDArray[np.bool_]:
        """[m], whether the two of each pair are in different clusters so far."""
        return np.asarray(self.labels[first] != self.labels[second])

    def join(self, first: Indices, second: Indices) -> None:
        """Put the two of each pair, [m] and [m], into the same cluster."""
        parents: dict[int, int] = {}

        def root(label: int) -> int:
            while label in parents:
                above = parents[label]
                if above in parents:  # halve the way for the next one
                    parents[label] = parents[above]
                label = above
            return label

        kept = []
        pairs = zip(self.labels[first].tolist(), self.labels[second].tolist(), strict=True)
        for position, (one, other) in enumerate(pairs):
            low, high = sorted((root(one), root(other)))
            if low != high:
                parents[high] = low
                kept.append(position)
        if not kept:
            return
        table = np.arange(len(self.labels), dtype=np.int64)
        for label in parents:
            table[label] = root(label)
        self.labels = table[self.labels]
        self._links.append(np.stack([first[kept], second[kept]], axis=1))
