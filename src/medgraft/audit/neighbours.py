"""Connecting hashes within reach of each other: candidates by the keys of their bands, each compared bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.audit.bands import ALL_BITS, Keys, choose_bands
from medgraft.audit.clusters import Clusters
from medgraft.audit.hashing import COARSE, COARSE_BITS, Counts, Words, differing_bits, transposed

Indices = npt.NDArray[np.int64]
Pairs = tuple[Indices, Indices]

_COARSE_PLACES = tuple(bit for bit in ALL_BITS if int(COARSE) >> bit & 1)
_AT_ONCE = 1 << 17
"""Candidate pairs that are held and compared at once."""
_CROWD = 1 << 20
"""Candidate pairs of one key from which its hashes are first compared with a single one of them."""


@dataclass(frozen=True)
class Reach:
    """How far apart two pictures may be to count as nearly the same.

    They do where they differ in few bits, and also where the coarse ones hardly differ and the rest not much: pictures
    that are small or blurred have fine frequencies of little but noise, which a new encoding throws about.

    Attributes
    ----------
    full : differing bits of all 255.
    coarse, loose : or so many of the 63 coarse ones and, with these, of all.

    Raises
    ------
    ValueError
        If ``full`` is not from 0 to 63 or ``coarse`` not from -1 (never) to 15.
    """

    full: int = 15
    coarse: int = 3
    loose: int = 40

    def __post_init__(self) -> None:
        if not 0 <= self.full < 64 or not -1 <= self.coarse < COARSE_BITS:
            raise ValueError(
                f"bits of 0 to 63, and of -1 to 15 coarse ones, are wanted (got {self.full}, {self.coarse})"
            )

    def holds(self, every: Counts, coarse: Counts) -> npt.NDArray[np.bool_]:
        """Whether pictures that differ in so many of all and of the coarse bits are within reach."""
        return np.asarray((every <= self.full) | ((coarse <= self.coarse) & (every <= self.loose)))


def connect(hashes: Words, reach: Reach) -> Indices:
    """Return pairs [m, 2] of hashes within reach that connect all hashes which such pairs connect.

    No pair within reach, under any of the eight turns, is left in two unconnected parts.

    Parameters
    ----------
    hashes : [n, 4], all different.
    """
    clusters = Clusters(len(hashes))
    looked_up = [hashes, transposed(hashes)]
    bands = choose_bands(hashes, looked_up, reach.full)
    if reach.coarse >= 0:
        bands += choose_bands(hashes, looked_up, reach.coarse, _COARSE_PLACES)
    for band in bands:
        index = _Index(band.keys(hashes), band.size)
        for others in looked_up:
            for keys in band.near(band.keys(others)):
                for found, rows in index.candidates(keys, clusters):
                    _join_near(hashes, others, found, rows, reach, clusters)
    return clusters.links


def _join_near(hashes: Words, others: Words, found: Indices, rows: Indices, reach: Reach, clusters: Clusters) -> None:
    """Join those of the candidate pairs that are within reach; who is joined already need not be compared."""
    # No flip changes the first word, and it alone rules out most pairs.
    differing = hashes[found, 0] ^ others[rows, 0]
    alike = reach.holds(np.bitwise_count(differing), np.bitwise_count(differing & COARSE))
    found, rows = found[alike], rows[alike]
    apart = clusters.apart(found, rows)
    found, rows = found[apart], rows[apart]
    if not len(found):
        return
    near = reach.holds(*differing_bits(hashes[found], others[rows])).any(axis=0)
    clusters.join(found[near], rows[near])


class _Index:
    """Hashes sorted by their keys in one band."""

    def __init__(self, keys: Keys, size: int) -> None:
        self._order = np.argsort(keys, kind="stable").astype(np.int64)
        self._counts = np.bincount(keys, minlength=size)
        self._starts = np.cumsum(self._counts) - self._counts

    def candidates(self, keys: Keys, clusters: Clusters) -> Iterator[Pairs]:
        """Yield pairs (hash, row of ``keys``) of equal key, each pair of things in one of its two orders at least.

        ``clusters`` may grow while this goes on.
        """
        asked = np.bincount(keys, minlength=len(self._counts))
        crowds = np.flatnonzero(asked * self._counts > _CROWD)
        crowded = np.isin(keys, crowds)
        yield from self._plain(np.flatnonzero(~crowded & (self._counts[keys] > 0)), keys)
        for key in crowds:
            yield from _crowd(self._of(int(key)), np.flatnonzero(keys == key), clusters)

    def _plain(self, rows: Indices, keys: Keys) -> Iterator[Pairs]:
        """All pairs of these rows with the hashes of their key, where the hash comes before the row."""
        counts = self._counts[keys[rows]]
        ends = np.cumsum(counts)
        start = 0
        while start < len(rows):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
            some, many = rows[start:stop], counts[start:stop]
            within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
            found = self._order[np.repeat(self._starts[keys[some]], many) + within]
            asked = np.repeat(some, many)
            before = found < asked
            yield found[before], asked[before]
            start = stop

    def _of(self, key: int) -> Indices:
        return self._order[self._starts[key] : self._starts[key] + self._counts[key]]


def _crowd(found: Indices, rows: Indices, clusters: Clusters) -> Iterator[Pairs]:
    """Pairs under a key that very many share, as frames of one film do.

    All are compared with a single one first, which joins most of them where they are alike; then only pairs from
    different clusters are left.
    """
    yield found, np.full(len(found), rows[0])
    yield np.full(len(rows), found[0]), rows
    largest = np.bincount(clusters.labels[found]).argmax()
    inside, asked_inside = clusters.labels[found] == largest, clusters.labels[rows] == largest
    yield from _each_with_each(found, rows[~asked_inside])
    yield from _each_with_each(found[~inside], rows[asked_inside])


def _each_with_each(found: Indices, rows: Indices) -> Iterator[Pairs]:
    if not len(found):
        return
    step = max(1, _AT_ONCE // len(found))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        yield np.tile(found, len(some)), np.repeat(some, len(found))
