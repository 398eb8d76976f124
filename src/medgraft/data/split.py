"""Splits into train, val and test: the data's own, a saved one, or a seeded and stratified one (see ``dealing``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.dealing import deal
from medgraft.data.manifest import SPLITS, UNUSED, Manifest, groups_in_two_splits
from medgraft.errors import DataError, listing
from medgraft.files import write_text


def assign_splits(
    manifest: Manifest,
    foreground: npt.NDArray[np.float64] | None = None,
    ratios: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> Manifest:
    """Return the manifest with a split for every row.

    The data's own splits are kept; a split that they lack, though its ratio is above 0, is taken out of train
    (a note says so).

    Parameters
    ----------
    manifest : the images; by group where it has groups.
    foreground : ``[n]`` fraction of foreground pixels of each row's mask, for the stratification; not used where
        the data has labels, which are then what the split is stratified by.
    ratios : shares of train, val and test.
    seed : of the shuffle; the same seed and data give the same split, whatever the order of the rows.

    Raises
    ------
    DataError
        When there are fewer images (groups) than splits to fill, the data's own splits have no train, or val or
        test have a label that train lacks.
    """
    foreground = strata_for(manifest, foreground)
    if manifest.has_split:
        done = _complete(manifest, foreground, ratios, seed)
    else:
        done = manifest.with_split(deal(manifest, dict(zip(SPLITS, ratios, strict=True)), seed, foreground))
        by = "group" if manifest.has_groups else "image"
        what = "foreground fraction" if manifest.classes is None else "label"
        counts = ", ".join(f"{n} {split}" for split, n in done.split_counts().items())
        done = done.with_notes(f"split made by {by}, stratified by {what}, seed {seed}: {counts}")
    refuse_unseen_labels(done)
    return done


def strata_for(manifest: Manifest, foreground: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
    """Return the foreground to stratify by, which is None where there are labels to stratify by instead."""
    if manifest.classes is not None:
        return None
    if foreground is None or len(foreground) != len(manifest):
        given = "no" if foreground is None else len(foreground)
        raise ValueError(f"{given} foreground fractions for {len(manifest)} images with masks")
    return foreground


def refuse_unseen_labels(manifest: Manifest) -> None:
    """Refuse splits in which val or test have a label that train lacks; without labels there is nothing to refuse.

    Of multi-label data every class needs an image in train. Raises DataError that names the classes.
    """
    if manifest.classes is None:
        return
    there = {split: manifest.presence[manifest.rows(split)].sum(axis=0) for split in SPLITS}
    elsewhere = there["val"] + there["test"]
    unseen = [
        f"{name} ({there['val'][i]} in val, {there['test'][i]} in test)"
        for i, name in enumerate(manifest.classes.names)
        if not there["train"][i] and (elsewhere[i] or manifest.classes.multilabel)
    ]
    if unseen:
        raise DataError(
            f"{manifest.root}: no image in train has the label {listing(unseen)}, so it cannot be learnt. "
            "Split otherwise, or take these images out."
        )


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
        When the file cannot be read, names other images than the data has, has a group in two splits, or has a
        label in val or test that train lacks.
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
    done = replace(manifest, table=table, notes=(*manifest.notes, f"split read from {path}"))
    refuse_unseen_labels(done)
    return done


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
    strange = sorted(set(saved["split"]) - {*SPLITS, UNUSED})
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


def _complete(
    manifest: Manifest, foreground: npt.NDArray[np.float64] | None, ratios: Sequence[float], seed: int
) -> Manifest:
    """Take the splits that the data's own lack out of its train."""
    counts = manifest.split_counts()
    shares = dict(zip(SPLITS, ratios, strict=True))
    lacking = [split for split in ("val", "test") if not counts[split] and shares[split] > 0]
    if not counts["train"]:
        raise DataError(f"{manifest.root}: its own splits have no image in train, so nothing can be learnt.")
    if not lacking:
        return manifest
    of_train = None if foreground is None else foreground[manifest.rows("train")]
    dealt = deal(manifest.train, {s: shares[s] for s in ("train", *lacking)}, seed, of_train)
    own = pd.Series(manifest.table["split"].to_numpy(), index=manifest.table["id"])
    own.loc[dealt.index] = dealt
    done = manifest.with_split(own)
    taken = " and ".join(f"{done.split_counts()[split]} for {split}" for split in lacking)
    return done.with_notes(
        f"the data has no {' and no '.join(lacking)}: taken out of its train with seed {seed}, {taken}"
    )
