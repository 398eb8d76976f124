"""Near-duplicates: all pairs of images whose hashes differ in few bits, under any flip or quarter turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.audit.clusters import Clusters
from medgraft.audit.facts import Scan
from medgraft.audit.hashing import Words, differing_bits, is_flat, transposed
from medgraft.audit.neighbours import Reach, connect

Indices = npt.NDArray[np.int64]

REACH = Reach()
"""How alike near-duplicates are.

Of X-rays (NIH), lesions (ISIC) and nuclei (DSB) of about 512 pixels, copies that were encoded as JPEG of quality 50 at
half the size differ in 0 to 15 of 255 bits, and no two different ones in fewer than 51.
"""
LISTED = 64
"""Of clusters of up to so many images every pair is listed."""

_BEYOND = np.int16(1000)


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Pairs of images that are nearly alike, and the clusters that they form.

    Attributes
    ----------
    first, second : [m], positions of the images; first < second, in ascending order.
    distance : [m], in how many of 255 bits their hashes differ, at most 40.
    turn : [m], number of what is done to the second to get the first, see :data:`~medgraft.audit.hashing.TURNS`.
    clusters : [n], the number of each image's cluster, from 0 in order of their first image; -1 for an image without
        a near-duplicate. Two images within reach are always in the same cluster.
    complete : whether every pair is listed; of clusters of more than LISTED images only enough pairs to connect them.
    """

    first: Indices
    second: Indices
    distance: npt.NDArray[np.int16]
    turn: npt.NDArray[np.int8]
    clusters: Indices
    complete: bool


def exact_duplicates(scan: Scan) -> Indices:
    """Return the number of each image's group of equal pixels, [n], from 0 in order of their first image.

    It is -1 for an image that is there once, and for one that could not be read.
    """
    read = np.flatnonzero(scan.readable)
    labels = np.arange(len(scan), dtype=np.int64)
    key = [scan.images[name].to_numpy()[read] for name in ("digest", "height", "width")]
    labels[read] = pd.Series(read).groupby(key, sort=False).transform("min").to_numpy()
    return _numbered(labels)


def near_duplicates(hashes: Words, reach: Reach = REACH) -> NearDuplicates:
    """Find the near-duplicates among images, without comparing each with each.

    Parameters
    ----------
    hashes : [n, 4], see :func:`~medgraft.audit.hashing.perceptual_hash`; all zero ones are of flat or unreadable
        pictures and have no near-duplicates.
    reach : how alike they have to be.
    """
    rows = np.flatnonzero(~is_flat(hashes))
    unique, first_row, which = np.unique(hashes[rows], axis=0, return_index=True, return_inverse=True)
    found = Clusters(len(hashes))
    same = rows[first_row[which.ravel()]]
    found.join(same, rows)
    links = connect(unique, reach)
    found.join(rows[first_row[links[:, 0]]], rows[first_row[links[:, 1]]])
    numbers = _numbered(found.labels)
    sizes = np.bincount(numbers[numbers >= 0])
    small = np.flatnonzero(sizes <= LISTED)
    pairs = _pairs_within(numbers, sizes, small)
    large = np.isin(numbers[found.links[:, 0]], np.flatnonzero(sizes > LISTED))
    pairs = np.concatenate([pairs, np.sort(found.links[large], axis=1)])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    near, bits, turn = compare(hashes[pairs[:, 0]], hashes[pairs[:, 1]], reach)
    pairs, whole = pairs[near], len(small) == len(sizes)
    return NearDuplicates(pairs[:, 0], pairs[:, 1], bits[near], turn[near], numbers, whole)


def compare(
    first: Words, second: Words, reach: Reach = REACH
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int16], npt.NDArray[np.int8]]:
    """Compare pairs of hashes [n, 4] under all eight turns.

    Returns
    -------
    near, distance, turn
        [n] each: whether the two are within reach, in how many bits they differ, and the number of the turn in TURNS;
        under the turn that leaves the fewest differing bits of those within reach, where there are such.
    """
    upright, turned = differing_bits(first, second), differing_bits(first, transposed(second))
    every, coarse = (np.concatenate(parts) for parts in zip(upright, turned, strict=True))
    near = reach.holds(every, coarse)
    turn = np.where(near | ~near.any(axis=0), every, _BEYOND).argmin(axis=0)
    return np.asarray(near.any(axis=0)), every[turn, np.arange(len(first))], turn.astype(np.int8)


def _numbered(labels: Indices) -> Indices:
    """Numbers of the clusters of more than one, in order of their first member; -1 for who is alone."""
    several = np.bincount(labels, minlength=len(labels)) > 1
    number = np.cumsum(several) - 1
    return np.asarray(np.where(several[labels], number[labels], -1), np.int64)


def _pairs_within(numbers: Indices, sizes: Indices, clusters: Indices) -> Indices:
    """[m, 2], all pairs within the given clusters, those of one size at a time."""
    order = np.argsort(numbers, kind="stable")
    order = order[np.searchsorted(numbers[order], 0) :]
    starts = np.cumsum(sizes) - sizes
    parts = [np.empty((0, 2), np.int64)]
    for size in np.unique(sizes[clusters]):
        members = order[starts[clusters[sizes[clusters] == size]][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        parts.append(np.stack([members[:, one].ravel(), members[:, other].ravel()], axis=1))
    return np.concatenate(parts)
