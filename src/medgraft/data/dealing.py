"""How images, or groups of images, are dealt to splits: seeded, stratified, each group whole.

Masks: the units are sorted into bins of like foreground fraction, shuffled within each bin, and dealt out one by one
to the split that lags furthest behind its share. Every bin is so spread over all splits, and no split is ahead of its
share by more than two thirds of the largest group.

Labels: rare classes are dealt first, since little is left to choose once their images are gone (Sechidis, Tsoumakas
and Vlahavas, "On the stratification of multi-label data", 2011). A unit belongs to the rarest class that any of its
images has. It goes to the split that lacks most of that class, as long as it fits in whole; what is left over goes
where most images are lacking. Of images that stand alone, with one label each, a split so gets its share of every
class, rounded up or down. Train gets the first unit of every class, so none is met later that was never learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

_BINS = 10
_ROUNDING = 1e-9
"""Shares are sums of decimal fractions, so that what is left of them is only nearly whole."""

Counts = npt.NDArray[np.int64]


def deal(
    manifest: Manifest, shares: Mapping[str, float], seed: int, foreground: npt.NDArray[np.float64] | None = None
) -> pd.Series:
    """Return the split of every image, indexed by id.

    Parameters
    ----------
    manifest : the images; by group where it has groups.
    shares : what each split gets, in any unit; splits of share 0 get nothing. The first is the one to learn from.
    seed : of the shuffle; the same seed and data give the same splits, whatever the order of the rows.
    foreground : ``[n]`` fraction of foreground pixels of each row's mask; None where the data has labels.

    Raises
    ------
    DataError
        When there are fewer images (groups) than splits to fill.
    """
    wanted = {split: share / sum(shares.values()) for split, share in shares.items() if share > 0}
    units = _units(manifest)
    if len(units) < len(wanted):
        raise DataError(
            f"{manifest.root}: {len(units)} images (groups, where known) cannot fill {len(wanted)} splits; "
            "give more of them, or set a ratio to 0."
        )
    sizes = np.array([len(rows) for rows in units])
    parts = np.array(list(wanted.values()))
    if foreground is None:
        counts = _class_counts(manifest, units)
        order = _order_by_rarity(counts, seed)
        dealt = _rarest_first(counts[order], sizes[order], parts)
    else:
        counts = np.zeros((len(units), 1), np.int64)
        order = _order_by_foreground(_means(foreground, units), seed)
        dealt = _largest_lag(sizes[order], parts)
    _fill_empty(dealt, sizes[order], counts[order, :-1], len(parts))
    split_of = np.empty(len(manifest), object)
    for unit, split in zip(order, dealt, strict=True):
        split_of[units[unit]] = list(wanted)[split]
    return pd.Series(split_of, index=manifest.table["id"])


def stratum_of(presence: npt.NDArray[np.integer[Any]]) -> Counts:
    """Return for each row of ``[n, C]`` (how often a class is there) the class that is rarest in all; C for none."""
    classes = presence.shape[1]
    rarity = np.argsort(np.argsort(presence.sum(axis=0), kind="stable"))
    ranks = np.where(presence > 0, rarity, classes)
    return np.asarray(np.where((presence > 0).any(axis=1), ranks.argmin(axis=1), classes), np.int64)


def _units(manifest: Manifest) -> list[Counts]:
    """Positions in the table of the images of each thing that stays whole (a group, or an image), by name."""
    ids = pd.factorize(manifest.table["id"], sort=True)[0]
    names = pd.factorize(manifest.table["group"], sort=True)[0] if manifest.has_groups else ids
    order = np.lexsort((ids, names))
    return np.split(order, np.flatnonzero(np.diff(names[order])) + 1)


def _means(values: npt.NDArray[np.float64], units: Sequence[Counts]) -> npt.NDArray[np.float64]:
    """The mean of ``values`` over the images of each unit."""
    unit_of = np.repeat(np.arange(len(units)), [len(rows) for rows in units])
    return np.asarray(pd.Series(values[np.concatenate(units)]).groupby(unit_of).mean(), np.float64)


def _order_by_foreground(foreground: npt.NDArray[np.float64], seed: int) -> Counts:
    """Positions ``[n]`` by bin of foreground fraction (quantiles), shuffled within each bin."""
    rng = np.random.default_rng(seed)
    n = len(foreground)
    shuffled = rng.permutation(n)
    ranked = shuffled[np.argsort(foreground[shuffled], kind="stable")]
    bins = np.array_split(ranked, min(_BINS, max(1, n // 10)))
    return np.concatenate([rng.permutation(part) for part in bins])


def _largest_lag(sizes: Counts, shares: npt.NDArray[np.float64]) -> Counts:
    """Deal units in order, each to the split that lags furthest behind its share of what was dealt so far."""
    given = np.zeros(len(shares))
    chosen = np.zeros(len(sizes), np.int64)
    for position, (size, dealt) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        chosen[position] = np.argmax(shares * dealt - given)
        given[chosen[position]] += size
    return chosen


def _class_counts(manifest: Manifest, units: Sequence[Counts]) -> Counts:
    """Images of each class in each unit, ``[n, C + 1]``; the last column counts those of no class."""
    presence = manifest.presence.astype(np.int64)
    presence = np.hstack([presence, presence.sum(axis=1, keepdims=True) == 0])
    return np.array([presence[rows].sum(axis=0) for rows in units], np.int64)


def _order_by_rarity(counts: Counts, seed: int) -> Counts:
    """Positions ``[n]`` by rarest class, units of no class last, shuffled within each class."""
    totals = counts[:, :-1].sum(axis=0)
    rank = np.append(np.argsort(np.argsort(totals, kind="stable")), len(totals))
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    return shuffled[np.argsort(rank[stratum_of(counts[:, :-1])[shuffled]], kind="stable")]


def _rarest_first(counts: Counts, sizes: Counts, shares: npt.NDArray[np.float64]) -> Counts:
    """Deal units in order, each by the rarest class in it; see the head of this file."""
    owed = np.outer(shares, counts.sum(axis=0))
    given, learnt = np.zeros(len(shares)), np.zeros(counts.shape[1] - 1, np.int64)
    chosen = np.zeros(len(sizes), np.int64)
    strata = stratum_of(counts[:, :-1])
    for position, (size, dealt) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        unit = counts[position]
        if ((unit[:-1] > 0) & (learnt == 0)).any():
            split = 0
        else:
            may = _takers(owed[:, strata[position]], unit[strata[position]])
            split = int(np.argmax(np.where(may, shares * dealt - given, -np.inf)))
        learnt += unit[:-1] if split == 0 else 0
        owed[split] -= unit
        given[split] += size
        chosen[position] = split
    return chosen


def _takers(owed: npt.NDArray[np.float64], images: int) -> npt.NDArray[np.bool_]:
    """Splits that may take so many ``images`` of a class: where most are owed; of fractions, all that are owed one."""
    most = owed.max()
    least = most - _ROUNDING if most >= images - _ROUNDING else max(_ROUNDING, most - 1)
    return np.asarray(owed >= least)


def _fill_empty(chosen: Counts, sizes: Counts, counts: Counts, splits: int) -> None:
    """Give each empty split, in place, the smallest unit of the split that has most units.

    Where ``counts`` ``[n, C]`` says that there are others, none is taken that alone has a class.
    """
    for split in range(splits):
        units = np.bincount(chosen, minlength=splits)
        if units[split] == 0:
            rich = np.flatnonzero(chosen == units.argmax())
            others = counts[rich].sum(axis=0) - counts[rich]
            spare = rich[((counts[rich] == 0) | (others > 0)).all(axis=1)]
            taken_from = spare if len(spare) else rich
            chosen[taken_from[np.argmin(sizes[taken_from])]] = split
