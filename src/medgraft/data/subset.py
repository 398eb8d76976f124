"""Learning from fewer images: subsets of the training images, each contained in every larger one of the same seed.

Units (patients where they are known, else images) are put into one order that does not depend on how many are
wanted; a subset is a beginning of it. First come units that between them have every class, the rarest class first.
The others follow so that every beginning has its share of each class: of the ``n`` images of a stratum, the one at
place ``j`` (from 0) of a seeded shuffle stands at ``(j + 1/2) / n`` on a common line, a unit of several images at its
middle. A unit belongs to the rarest class that any of its images has; of images with masks, the strata are bins of
like foreground fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.dealing import stratum_of
from medgraft.data.manifest import UNUSED, Manifest
from medgraft.errors import DataError, counted, listing

_BINS = 10

Rows = npt.NDArray[np.int64]


def nested_subset(
    strata: npt.NDArray[np.integer[Any]],
    groups: Sequence[Any] | npt.NDArray[Any] | None,
    n: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Rows:
    """Choose at most ``n`` of the rows, with their share of each stratum and groups whole.

    For one seed a subset is contained in every larger one. Without groups it has ``n`` rows; with them it stops before
    the first group that does not fit, and so lacks fewer than that group has.

    Parameters
    ----------
    strata : ``[N]`` class or stratum of each row, from 0; or ``[N, C]`` 1 for each class that a row has, else 0.
    groups : ``[N]`` what each row belongs to, or None where each row stands alone.
    n : how many rows are wanted.
    seed : of the shuffle. Groups are shuffled by name, rows without groups by position.
    names : of the classes, each of which is then in the subset at least once; None where strata are no classes.

    Returns
    -------
    ndarray
        Positions of the rows, ascending.

    Raises
    ------
    DataError
        When ``n`` is above the number of rows, or too small for every class; the smallest ``n`` is said.
    """
    presence = _presence(np.asarray(strata))
    if n > len(presence):
        raise DataError(f"{counted(n, 'training image')} asked for, and there are {len(presence):,}; ask for fewer.")
    unit_of = np.arange(len(presence)) if groups is None else pd.factorize(np.asarray(groups, object), sort=True)[0]
    sizes = np.bincount(unit_of)
    counts = np.zeros((len(sizes), presence.shape[1]), np.int64)
    np.add.at(counts, unit_of, presence)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    first = [] if names is None else _covering(counts, shuffled)
    order = _order(counts, sizes, shuffled, first)
    ends = np.cumsum(sizes[order])
    least = int(ends[max(len(first), 1) - 1])
    if n < least:
        of_each = f" for one of every class ({listing(names)})" if names else ""
        whole = ", as patients (groups) stay whole" if groups is not None else ""
        raise DataError(f"{counted(n, 'training image')} are too few{of_each}{whole}; the smallest number with seed "
                        f"{seed} is {least}.")  # fmt: skip
    chosen = order[: int(np.searchsorted(ends, n, side="right"))]
    return np.flatnonzero(np.isin(unit_of, chosen)).astype(np.int64)


def learn_from(manifest: Manifest, n: int, seed: int, foreground: npt.NDArray[np.float64] | None = None) -> Manifest:
    """Return the manifest with ``n`` of its training images, or nearly so where patients are known, still in train.

    The others get the split ``unused``, which no split counts; val and test stay as they are.

    Parameters
    ----------
    manifest : with a split for every image.
    n, seed : see :func:`nested_subset`; the same data gives the same subset, whatever the order of the rows.
    foreground : ``[N]`` fraction of foreground pixels of each row's mask; None where the data has labels.

    Raises
    ------
    DataError
        As :func:`nested_subset` does.
    """
    rows = manifest.rows("train")
    rows = rows[np.argsort(manifest.table["id"].to_numpy(object)[rows], kind="stable")]
    names: Sequence[str] | None = None
    strata: npt.NDArray[Any] = np.zeros(len(rows), np.int64)
    if manifest.classes is not None:
        names, strata = manifest.classes.names, manifest.presence[rows]
    elif foreground is not None:
        strata = _bins(foreground[rows])
    groups = manifest.table["group"].to_numpy(object)[rows] if manifest.has_groups else None
    try:
        kept = rows[nested_subset(strata, groups, n, seed, names)]
    except DataError as error:
        raise DataError(f"{manifest.root}: train_images: {error}") from None
    split = manifest.table["split"].to_numpy(object).copy()
    split[np.setdiff1d(rows, kept)] = UNUSED
    return manifest.with_split(pd.Series(split, index=manifest.table["id"]))


def _presence(strata: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if strata.ndim == 2:
        return np.asarray(strata > 0, np.int64)
    return np.asarray(np.eye(int(strata.max(initial=0)) + 1)[strata], np.int64)


def _covering(counts: npt.NDArray[np.int64], shuffled: Rows) -> list[int]:
    """Units that between them have every class that there is, the rarest class first."""
    totals = counts.sum(axis=0)
    chosen: list[int] = []
    for column in np.argsort(totals, kind="stable"):
        if totals[column] and not counts[chosen, column].any():
            chosen.append(int(shuffled[np.flatnonzero(counts[shuffled, column])[0]]))
    return chosen


def _order(counts: npt.NDArray[np.int64], sizes: npt.NDArray[Any], shuffled: Rows, first: list[int]) -> Rows:
    """All units: those of ``first``, then the others by their places on the common line."""
    rest = shuffled[~np.isin(shuffled, first)]
    units = np.concatenate([np.array(first, np.int64), rest])
    strata = stratum_of(counts)[units]
    places = np.empty(len(units))
    for stratum in np.unique(strata):
        there = strata == stratum
        own = sizes[units[there]]
        places[there] = (np.cumsum(own) - own / 2) / own.sum()
    places[: len(first)] = -1.0
    return units[np.argsort(places, kind="stable")]


def _bins(foreground: npt.NDArray[np.float64]) -> Rows:
    """The bin of like foreground fraction of each row; bins are of equal size, ten of them where rows are many."""
    bins = min(_BINS, max(1, len(foreground) // 10))
    strata = np.empty(len(foreground), np.int64)
    for number, part in enumerate(np.array_split(np.argsort(foreground, kind="stable"), bins)):
        strata[part] = number
    return strata
