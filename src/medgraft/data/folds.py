"""Cross-validation: the data divided into folds, each of which is the test split once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from medgraft.data.dealing import deal, stratum_of
from medgraft.data.manifest import Manifest
from medgraft.data.split import refuse_unseen_labels, strata_for
from medgraft.errors import DataError, listing

_BINS = 10


def assign_folds(
    manifest: Manifest,
    folds: int,
    ratios: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    foreground: npt.NDArray[np.float64] | None = None,
) -> list[Manifest]:
    """Return the manifest ``folds`` times, each time with another fold as its test split.

    Folds are stratified by label (of several, by the rarest), or by foreground fraction, and groups stay whole. Every
    image is in test once. Val is taken out of the rest in the same way as :func:`assign_splits` does, and train is
    what remains. A split of the data's own is set aside.

    Parameters
    ----------
    manifest : the images; by group where it has groups.
    folds : how many, two or more.
    ratios : shares of train, val and test; here only that of val to that of train counts.
    seed : of all shuffles; the same seed and data give the same folds, whatever the order of the rows.
    foreground : ``[n]`` fraction of foreground pixels of each row's mask; not used where the data has labels.

    Raises
    ------
    DataError
        When there are fewer images (groups), in all or of any class, than folds, or a class is in test alone.
    """
    foreground = strata_for(manifest, foreground)
    _refuse_too_few(manifest, folds)
    fold_of = _folds(manifest, folds, seed, foreground)
    aside = ["the data's own split is set aside for the cross-validation"] if manifest.has_split else []
    by = "group" if manifest.has_groups else "image"
    what = "label" if manifest.classes else "foreground fraction"
    parts = []
    for fold in range(folds):
        part = _with_fold(manifest, fold_of == fold, ratios, seed, foreground)
        counts = ", ".join(f"{n} {split}" for split, n in part.split_counts().items())
        made = f"fold {fold + 1} of {folds}, made by {by}, stratified by {what}, seed {seed}: {counts}"
        part = part.with_notes(*aside, made)
        refuse_unseen_labels(part)
        parts.append(part)
    return parts


def _refuse_too_few(manifest: Manifest, folds: int) -> None:
    """Every fold needs a group (or image) of every class, so that each is tested, and learnt elsewhere."""
    if folds < 2:
        raise DataError(f"{manifest.root}: {folds} folds are asked for; a cross-validation has two or more.")
    table = manifest.table
    names = table["group"] if manifest.has_groups else table["id"]
    what = "groups (patients)" if manifest.has_groups else "images"
    if names.nunique() < folds:
        raise DataError(f"{manifest.root}: {names.nunique()} {what} cannot make {folds} folds; ask for fewer folds.")
    if manifest.classes is None:
        return
    columns = zip(manifest.classes.names, manifest.presence.T, strict=True)
    held = {name: names[there > 0].nunique() for name, there in columns}
    least = 0 if manifest.classes.multilabel else 1  # a single label that nobody has is not asked for
    rare = [f"{name} ({count})" for name, count in held.items() if least <= count < folds]
    if rare:
        raise DataError(
            f"{manifest.root}: too few {what} of a class for {folds} folds, {listing(rare)}; ask for fewer folds, or "
            "leave the class out."
        )


def _folds(
    manifest: Manifest, folds: int, seed: int, foreground: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.int64]:
    """The fold of each row, ``[n]``.

    Rows and groups are shuffled here, from an order by name, and not by scikit-learn: neither the order of the rows
    nor the release of scikit-learn then decides anything.
    """
    table, rng = manifest.table, np.random.default_rng(seed)
    by_name = np.argsort(table["id"].to_numpy(dtype=object), kind="stable")
    order = by_name[rng.permutation(len(table))]
    strata = _strata(manifest, folds, foreground, by_name)[order]
    if manifest.has_groups:
        groups = rng.permutation(len(table))[pd.factorize(table["group"], sort=True)[0]]
        parts = StratifiedGroupKFold(folds).split(strata, strata, groups[order])
    else:
        parts = StratifiedKFold(folds).split(strata, strata)
    fold_of = np.empty(len(table), np.int64)
    with warnings.catch_warnings():
        # Of several labels, the images whose rarest is a certain one may be fewer than the folds.
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, test) in enumerate(parts):
            fold_of[order[test]] = fold
    empty = np.setdiff1d(np.arange(folds), fold_of)
    if len(empty):
        raise DataError(f"{manifest.root}: the groups are too unequal for {folds} folds; ask for fewer folds.")
    return fold_of


def _strata(
    manifest: Manifest, folds: int, foreground: npt.NDArray[np.float64] | None, by_name: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """What each row counts as for the stratification: its rarest label, or a bin of foreground fraction."""
    if foreground is None:
        return stratum_of(manifest.presence)
    bins = min(_BINS, max(1, len(manifest) // (2 * folds)))
    ranked = by_name[np.argsort(foreground[by_name], kind="stable")]
    strata = np.empty(len(manifest), np.int64)
    for number, rows in enumerate(np.array_split(ranked, bins)):
        strata[rows] = number
    return strata


def _with_fold(
    manifest: Manifest,
    test: npt.NDArray[np.bool_],
    ratios: Sequence[float],
    seed: int,
    foreground: npt.NDArray[np.float64] | None,
) -> Manifest:
    """The manifest with the rows ``test`` as its test split, and val dealt out of the rest."""
    rest = replace(manifest, table=manifest.table[~test])
    shares = {"train": ratios[0], "val": ratios[1]}
    dealt = deal(rest, shares, seed, None if foreground is None else foreground[~test])
    held_out = pd.Series("test", index=manifest.table["id"][test])
    return manifest.with_split(pd.concat([dealt, held_out]))
