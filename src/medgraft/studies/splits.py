"""One split for all cells of a study, or one a fold, made once and kept as files."""

from __future__ import annotations

from pathlib import Path

from medgraft.data import Manifest, assign_folds, save_split
from medgraft.errors import DataError
from medgraft.pipeline.prepare import open_store, prepare
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.studies.folder import Study


def write_splits(study: Study, manifest: Manifest, recipe: Recipe, split_file: Path | None, observer: Observer) -> None:
    """Decode the images and write the study's split files, where they are not there yet.

    Parameters
    ----------
    recipe : the study's.
    split_file : the user's own split, which is then that of all cells.

    Raises
    ------
    DataError
        Where the data cannot be split so, or leaves no image to validate or to test on.
    """
    folds = study.plan.grid.folds
    files = [study.split_file(fold) for fold in range(1, folds + 1)] if folds else [study.split_file()]
    if all(file.is_file() for file in files):
        open_store(manifest, recipe, observer)
        return
    if folds:
        store = open_store(manifest, recipe, observer)
        foreground = store.foreground if manifest.classes is None else None
        parts = assign_folds(manifest, folds, recipe.ratios, recipe.seed, foreground)
    else:
        parts = [prepare(manifest, recipe, observer, split_file).manifest]
    for part, file in zip(parts, files, strict=True):
        _refuse_empty(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_split(part, file)


def _refuse_empty(manifest: Manifest) -> None:
    empty = [split for split, count in manifest.split_counts().items() if not count]
    if empty:
        raise DataError(
            f"{manifest.root}: no image in {empty[0]}; a study chooses by val and compares on test, so give each a "
            "share by --ratios, or a split that has all three."
        )
