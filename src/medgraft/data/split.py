"""Splits into train, val and test: the data's own, a saved one, or a seeded and stratified one.

Images (or groups, where patients are known) are sorted into bins of like foreground fraction, shuffled within
each bin, and dealt out one by one to the split that lags furthest behind its share. Every bin is so spread
over all splits, and no split is ahead of its share by more than two thirds of the largest group.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.manifest import SPLITS, Manifest, groups_in_two_splits
from medgraft.errors import DataError, listing
from medgraft.files import write_text

_BINS = 10


def assign_splits(
    manifest: Manifest,
    foreground: npt.NDArray[np.float64],
    ratios: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> Manifest:
    """Return the manifest with a split for every row.

    The data's own splits are kept; a split that they lack, though its ratio is above 0, is taken out of train
    (a note says so).

    Parameters
    ----------
    manifest : the images; by group where it has groups.
    foreground : ``[n]`` fraction of foreground pixels of each row's mask, for the stratification.
    ratios : shares of train, val and test.
    seed : of the shuffle; the same seed and data give the same split, whatever the order of the rows.

    Raises
    ------
    DataError
        When there are fewer images (groups) than splits to fill, or the data's own splits have no train.
    """
    if len(foreground) != len(manifest):
        raise ValueError(f"{len(foreground)} foreground fractions for {len(manifest)} images")
    if manifest.has_split:
        return _complete(manifest, foreground, ratios, seed)
    dealt = _deal(_units(manifest, foreground), dict(zip(SPLITS, ratios, strict=True)), seed, manifest.root)
    done = manifest.with_split(dealt)
    by = "group" if manifest.has_groups else "image"
    counts = ", ".join(f"{n} {split}" for split, n in done.split_counts().items())
    return done.with_notes(f"split made by {by}, stratified by foreground fraction, seed {seed}: {counts}")


def save_split(manifest: Manifest, path: str | Path) -> None:
    """Write ``id``, ``split`` and, where known, ``group`` as CSV, whole or not at all."""
    manifest.split_counts()  # a manifest without splits is refused here, by name
    columns = [column for column in ("id", "split", "group") if column in manifest.table]
    write_text(path, manifest.table[columns].to_csv(index=False, lineterminator="\n"))


def apply_split_file(manifest: Manifest, path: str | Path) -> Manifest:
    """Return the manifest with the splits of a file of :func:`save_split` (columns id, split, perhaps group).

    Groups of the file are taken over where the data has none.

    Raises
    ------
    DataError
        When the file cannot be read, names other images than the data has, or has a group in two splits.
    """
    saved = _read_split(Path(path))
    ids = manifest.table["id"]
    unknown = sorted(set(saved["id"]) - set(ids))
    missing = sorted(set(ids) - set(saved["id"]))
    if unknown or missing:
        parts = [f"it names {len(unknown)} images that the data lacks ({listing(unknown)})"] if unknown else []
        parts += [f"it leaves out {len(missing)} images of the data ({listing(missing)})"] if missing else []
        raise DataError(
            f"{path}: the split file does not fit {manifest.root}: {' and '.join(parts)}. "
            "Use a split file of the same images."
        )
    saved = saved.set_index("id").loc[ids]
    table = manifest.table.assign(split=saved["split"].to_numpy())
    if "group" in saved and not manifest.has_groups:
        table["group"] = saved["group"].to_numpy()
    if "group" in table:
        _refuse_torn_groups(table["group"], table["split"], path)
    return Manifest(table, manifest.root, manifest.name, (*manifest.notes, f"split read from {path}"))


def _read_split(path: Path) -> pd.DataFrame:
    try:
        text = path.read_text(encoding="utf-8-sig")
        saved = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such split file.") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: cannot be read as a split file ({error}).") from None
    if not {"id", "split"} <= set(saved.columns):
        raise DataError(f"{path}: a split file has the columns id and split, not {listing(saved.columns)}.")
    doubled = saved["id"][saved["id"].duplicated()].unique()
    if len(doubled):
        raise DataError(f"{path}: images are listed more than once: {listing(doubled)}.")
    strange = sorted(set(saved["split"]) - set(SPLITS))
    if strange:
        raise DataError(f"{path}: a split is {', '.join(SPLITS)}, not {listing(map(repr, strange))}.")
    if "group" in saved:
        _refuse_torn_groups(saved["group"], saved["split"], path)
    return saved


def _refuse_torn_groups(groups: pd.Series, splits: pd.Series, path: str | Path) -> None:
    torn = groups_in_two_splits(groups, splits)
    if torn:
        raise DataError(
            f"{path}: {len(torn)} groups (patients) are in more than one split: {listing(torn)}. "
            "Put all images of a group into one split."
        )


def _complete(manifest: Manifest, foreground: npt.NDArray[np.float64], ratios: Sequence[float], seed: int) -> Manifest:
    """Take the splits that the data's own lack out of its train."""
    counts = manifest.split_counts()
    shares = dict(zip(SPLITS, ratios, strict=True))
    lacking = [split for split in ("val", "test") if not counts[split] and shares[split] > 0]
    if not counts["train"]:
        raise DataError(f"{manifest.root}: its own splits have no image in train, so nothing can be learnt.")
    if not lacking:
        return manifest
    units = _units(manifest.train, foreground[manifest.rows("train")])
    dealt = _deal(units, {s: shares[s] for s in ("train", *lacking)}, seed, manifest.root)
    own = pd.Series(manifest.table["split"].to_numpy(), index=manifest.table["id"])
    own.loc[dealt.index] = dealt
    done = manifest.with_split(own)
    taken = " and ".join(f"{done.split_counts()[split]} for {split}" for split in lacking)
    return done.with_notes(
        f"the data has no {' and no '.join(lacking)}: taken out of its train with seed {seed}, {taken}"
    )


def _units(manifest: Manifest, foreground: npt.NDArray[np.float64]) -> pd.DataFrame:
    """One row, by name, for each thing that stays whole: ``ids`` (list), ``size``, mean ``foreground``."""
    table = manifest.table
    name = table["group"] if manifest.has_groups else table["id"]
    frame = pd.DataFrame({"name": name, "ids": table["id"], "foreground": foreground})
    grouped = frame.sort_values(["name", "ids"]).groupby("name", sort=True)
    units = grouped.agg(ids=("ids", list), foreground=("foreground", "mean"))
    return units.assign(size=units["ids"].map(len))


def _deal(units: pd.DataFrame, shares: dict[str, float], seed: int, root: Path) -> pd.Series:
    """Give every unit to a split; returns splits indexed by image id."""
    wanted = {split: share / sum(shares.values()) for split, share in shares.items() if share > 0}
    if len(units) < len(wanted):
        raise DataError(
            f"{root}: {len(units)} images (groups, where known) cannot fill {len(wanted)} splits; "
            "give more of them, or set a ratio to 0."
        )
    order = _stratified_order(units["foreground"].to_numpy(dtype=np.float64), seed)
    sizes = units["size"].to_numpy()
    chosen = _largest_lag(sizes[order], np.array(list(wanted.values())))
    _fill_empty(chosen, sizes[order], len(wanted))
    names = list(wanted)
    pairs = {
        image: names[split] for unit, split in zip(order, chosen, strict=True) for image in units["ids"].iloc[unit]
    }
    return pd.Series(pairs, dtype=object)


def _stratified_order(foreground: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.int64]:
    """Positions ``[n]`` by bin of foreground fraction (quantiles), shuffled within each bin."""
    rng = np.random.default_rng(seed)
    n = len(foreground)
    shuffled = rng.permutation(n)
    ranked = shuffled[np.argsort(foreground[shuffled], kind="stable")]
    bins = np.array_split(ranked, min(_BINS, max(1, n // 10)))
    return np.concatenate([rng.permutation(part) for part in bins])


def _largest_lag(sizes: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Deal units in order, each to the split that lags furthest behind its share of what was dealt so far."""
    given = np.zeros(len(shares))
    chosen = np.zeros(len(sizes), np.int64)
    for position, (size, dealt) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        chosen[position] = np.argmax(shares * dealt - given)
        given[chosen[position]] += size
    return chosen


def _fill_empty(chosen: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], splits: int) -> None:
    """Give each empty split, in place, the smallest unit of the split that has most units."""
    for split in range(splits):
        counts = np.bincount(chosen, minlength=splits)
        if counts[split] == 0:
            rich = np.flatnonzero(chosen == counts.argmax())
            chosen[rich[np.argmin(sizes[rich])]] = split
