"""Which hashes to compare at all: pairs within a radius agree, nearly, on at least one band of their bits.

Of hashes that differ in no more than r bits, cut into bands with allowances t_b, at least one band b differs in no more
than t_b bits as long as the sum of (t_b + 1) is r + 1 or more (the pigeonhole principle). So only pairs that share the
key of a band, or nearly, have to be compared, and none within the radius is missed.

Real pictures spread unevenly over keys: those of one camera may all agree on a band, and then that band alone would
give every pair. The allowances are therefore chosen by what they cost on the hashes at hand: a band of few keys is
left out, and one of many takes its part by also looking at keys one bit away (after Qin et al., "GPH: Similarity Search
in Hamming Space", ICDE 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.audit.hashing import WORDS, Words

Keys = npt.NDArray[np.int64]

_LONGEST = 20
"""Bits of a key, so that a table of all keys is small; bits that do not fit are left to the comparison."""
ALL_BITS = tuple(range(64))
_PER_LOOKUP = 10.0
"""A lookup of one hash among the keys costs as much as comparing about so many pairs."""


@dataclass(frozen=True, eq=False)
class Band:
    """Some bits of one word.

    Attributes
    ----------
    word : which of the four.
    bits : their positions in the word.
    allowance : differing bits to look for, 0 or 1.
    """

    word: int
    bits: tuple[int, ...]
    allowance: int = 0

    def keys(self, hashes: Words) -> Keys:
        """[n], the key of each hash [n, 4], the same for all four flips of a picture."""
        values = hashes[:, self.word]
        keys = np.zeros(len(hashes), np.int64)
        for place, bit in enumerate(self.bits):
            keys |= ((values >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
        return self.canonical(keys)

    def canonical(self, keys: Keys) -> Keys:
        """A flip inverts a whole word (but the first one), so a key and its complement count as one."""
        return keys if self.word == 0 else np.minimum(keys, keys ^ (self.size - 1))

    def near(self, keys: Keys) -> list[Keys]:
        """The keys themselves, and with an allowance each with one bit changed: lookups, [n] each."""
        changes = [1 << place for place in range(len(self.bits))] if self.allowance else []
        return [keys, *(self.canonical(keys ^ change) for change in changes)]

    @property
    def size(self) -> int:
        """How many keys there might be."""
        return 1 << len(self.bits)


def choose_bands(hashes: Words, others: list[Words], radius: int, bits: tuple[int, ...] = ALL_BITS) -> list[Band]:
    """Return the bands with the allowances that cost least for looking up ``others`` among ``hashes``.

    Parameters
    ----------
    hashes : [n, 4], those that are searched.
    others : lists [m, 4] of hashes that are looked up.
    radius : differing bits up to which no pair may be missed.
    bits : which of each word are counted.
    """
    bands = _bands(radius, bits)
    costs = [_costs(band, hashes, others) for band in bands]
    chosen = _cheapest(costs, radius + 1)
    return [Band(band.word, band.bits, taken - 1) for band, taken in zip(bands, chosen, strict=True) if taken]


def _bands(radius: int, bits: tuple[int, ...]) -> list[Band]:
    """As many in each word; bits of one band lie apart, as neighbouring frequencies go together."""
    each = -(-(radius + 1) // WORDS)
    return [Band(word, bits[start::each][:_LONGEST]) for word in range(WORDS) for start in range(each)]


def _costs(band: Band, hashes: Words, others: list[Words]) -> tuple[float, float, float]:
    """Pairs to compare if the band is left out, taken as it is, or with one bit of allowance."""
    table = np.bincount(band.keys(hashes), minlength=band.size).astype(np.float64)
    plain = allowed = 0.0
    for keys in map(band.keys, others):
        hits = [float(table[near].sum()) for near in Band(band.word, band.bits, 1).near(keys)]
        plain += hits[0] + _PER_LOOKUP * len(keys)
        allowed += sum(hits) + _PER_LOOKUP * len(keys) * len(hits)
    return 0.0, plain, allowed


def _cheapest(costs: list[tuple[float, float, float]], wanted: int) -> list[int]:
    """What to take of each band, 0 to 2, so that it adds up to ``wanted`` at least cost (dynamic programming)."""
    best: list[tuple[float, list[int]]] = [(0.0, []), *((np.inf, []) for _ in range(wanted))]
    for cost in costs:
        step: list[tuple[float, list[int]]] = []
        for total in range(wanted + 1):
            # More than wanted counts as wanted: "total" is what is reached at least.
            options = [(best[max(total - taken, 0)], taken) for taken in range(3)]
            step.append(min((before[0] + cost[taken], [*before[1], taken]) for before, taken in options))
        best = step
    return best[wanted][1]
