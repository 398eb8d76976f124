"""Which images a run is evaluated on: its own held-out ones, wherever they lie now, or those of other data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data import ChannelStatistics, Manifest, PixelStore, apply_split_file
from medgraft.data.store import cache_folder
from medgraft.errors import DataError, MedgraftError, RecipeError, counted, listing
from medgraft.pipeline.evaluating.classes import with_classes_of
from medgraft.pipeline.prepare import CHUNK, open_for, open_store
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.run import Run

EXTERNAL = "external"
"""The split that images of other data are in."""

EVALUATE = "medgraft evaluate {run} DATA"

SAME_PIXELS = 2e-3
"""By how much the mean of a channel over the training images may differ, as decoders of JPEG do in a last digit."""

QUICK = 2000
"""So many training images are decoded anew for a comparison, where they are not at hand; more take too long."""

_COLUMNS = ("image_column", "mask_column", "label_column", "group", "split_column")


@dataclass(frozen=True, eq=False)
class Subject:
    """The images of an evaluation.

    Attributes
    ----------
    manifest, store : of all images that were opened, row for row.
    rows : positions of those to score, by split: ``val`` and ``test``, or ``external``.
    own : whether they are the data of the training, split as it was then.
    notes : how they were read.
    cautions : what a reader must know of them.
    """

    manifest: Manifest
    store: PixelStore
    rows: Mapping[str, npt.NDArray[np.int64]]
    own: bool
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the data."""
        return self.manifest.name

    @property
    def count(self) -> int:
        """How many images are to be scored."""
        return sum(map(len, self.rows.values()))


def find_subject(
    run: Run, data: str | Path | None, split: str | None, options: Mapping[str, Any], observer: Observer
) -> Subject:
    """The images to evaluate ``run`` on.

    Parameters
    ----------
    data : None for the run's own validation and test images, where the training found them. A place whose images are
        the very ones of the training (by id and by pixel) gives these too, as data may have moved. Else other data.
    split : of other data, the only split to score; None takes all images.
    options : of a recipe, on how other data is read.

    Raises
    ------
    DataError
        Where images are missing, or have classes that the run does not know.
    RecipeError
        Where options do not fit the run, or a split is asked for where there is none.
    """
    if data is None:
        if options or split is not None:
            asked = [f"--{name.replace('_', '-')}" for name in options] + (["--split"] if split else [])
            raise RecipeError(
                f"{listing(asked)}: these say how other data is read; without DATA the run's own validation and test "
                "images are scored, and read as they were in training. Leave them out, or name DATA."
            )
        return own_subject(run, None, observer)
    if not options and split is None:
        try:
            found = own_subject(run, data, observer)
        except MedgraftError:
            found = None
        if found is not None and not found.cautions:
            observer.say(f"{data}: the images of the run's own training, so its validation and test images are scored")
            return found
    return other_subject(run, data, split, options, observer)


def own_subject(run: Run, place: str | Path | None, observer: Observer, again: str = EVALUATE) -> Subject:
    """The run's own images, at ``place`` or where the training found them, split as they were in training.

    The subject has a caution where its training images are no longer the same, pixel for pixel.

    Parameters
    ----------
    again : the command by which the user names the place that has the images, with ``{run}`` for the run's folder.
    """
    recipe, again = _without_lost_list(run.recipe), again.format(run=run.folder)
    manifest = open_for(_root(run, again) if place is None else place, recipe, observer)
    known = _split_ids(run)
    lost = sorted(set(known) - set(manifest.table["id"]))
    if lost:
        raise DataError(
            f"{manifest.root}: {counted(len(lost), 'image')} of the run's data {'is' if len(lost) == 1 else 'are'} not "
            f"there: {listing(lost)}. Name the place that holds them all: {again}."
        )
    manifest = replace(manifest, table=manifest.table[manifest.table["id"].isin(known)])
    manifest = replace(apply_split_file(manifest, run.folder / "split.csv"), notes=())
    store = open_store(manifest, recipe, observer)
    rows = {split: manifest.rows(split) for split in ("val", "test")}
    rows = {split: positions for split, positions in rows.items() if len(positions)}
    cautions = () if _same_pixels(run, manifest, store) else (_CHANGED.format(root=manifest.root),)
    notes = tuple(map(str, run.environment.get("data", {}).get("notes", ())))
    return Subject(manifest, store, rows, own=True, notes=notes, cautions=cautions)


def other_subject(
    run: Run, data: str | Path, split: str | None, options: Mapping[str, Any], observer: Observer
) -> Subject:
    """The images of other data, brought to the run's classes and size."""
    if options.get("task", run.task) != run.task:
        raise RecipeError(f"task: {run.folder} is a run for {run.task}, so that is what {data} has to hold.")
    manifest, recipe, notes = _opened(run, data, options, observer)
    rows = np.arange(len(manifest), dtype=np.int64)
    if split is not None:
        if not manifest.has_split:
            raise RecipeError(f"split: {manifest.root} has no split column; leave --split out to score all images.")
        rows = manifest.rows(split)
        if not len(rows):
            raise DataError(f"{manifest.root}: no image is in the split {split}.")
        notes = (*notes, f"of {manifest.name} the {counted(len(rows), 'image')} of its split {split}")
    store = open_store(manifest, recipe, observer)
    manifest, store = with_classes_of(run, manifest, store)
    return Subject(manifest, store, {EXTERNAL: rows}, own=False, notes=notes)


def training_subject(run: Run, observer: Observer) -> Subject | None:
    """The run's own data, to compare other data with; None where it is not at hand, or would take long to decode.

    Of a cross-validation every image is a training image, of all folds but one.
    """
    try:
        root, noted = _root(run, EVALUATE), run.environment["data"]
        decoded = (cache_folder() / str(noted.get("store"))).is_dir()
        if not decoded and int(noted.get("images", 0)) > QUICK:
            return None
        if not run.folds:
            found = own_subject(run, root, observer)
            return None if found.cautions else found
        recipe = _without_lost_list(run.recipe)
        manifest = open_for(root, recipe, observer)
        manifest = replace(manifest, table=manifest.table.assign(split="train"))
        return Subject(manifest, open_store(manifest, recipe, observer), {}, own=True)
    except (MedgraftError, KeyError):
        return None


_CHANGED = (
    "The training images at {root} are no longer what the run was trained on, pixel for pixel; the held-out images may "
    "have changed as well."
)


def _opened(
    run: Run, data: str | Path, options: Mapping[str, Any], observer: Observer
) -> tuple[Manifest, Recipe, tuple[str, ...]]:
    """Other data, read by the training's own columns where it has them, else by usual names."""
    base = run.recipe.chosen()
    kept = {name: base[name] for name in ("window", "axis", "mask_values") if base.get(name) is not None}
    info = run.model_info
    kept |= {"task": run.task, "size": int(info["size"]), "channels": int(info["spec"]["in_channels"])}
    columns = {name: base[name] for name in _COLUMNS if base.get(name) is not None and name not in options}
    plain = Recipe.make(None, **kept | dict(options))
    manifest, notes = _read(data, plain, columns, observer)
    if manifest.mask_values is not None and "mask_values" not in options:
        # What the data itself says of its masks goes before what the training's masks held.
        plain = plain.model_copy(update={"mask_values": None})
    return manifest, plain, (*manifest.notes, *notes)


def _read(
    data: str | Path, plain: Recipe, columns: Mapping[str, Any], observer: Observer
) -> tuple[Manifest, tuple[str, ...]]:
    """The data by the training's columns or, where it lacks one of them, by usual names, which a note says."""
    if not columns:
        return open_for(data, plain, observer), ()
    try:
        return open_for(data, Recipe.make(plain, **columns), observer), ()
    except DataError as first:
        try:
            manifest = open_for(data, plain, observer)
        except DataError:
            raise first from None
    named = listing(f"{name} {value}" for name, value in columns.items())
    note = f"the training's columns ({named}) are not all in {manifest.name}; usual names are recognised instead"
    return manifest, (note,)


def _root(run: Run, again: str) -> Path:
    """Where the training found its images."""
    noted = str(run.environment.get("data", {}).get("root", ""))
    root = Path(noted)
    if not root.is_absolute():
        raise DataError(f"{run.folder}: the run does not keep where its images lie; name the place: {again}.")
    if not root.exists():
        raise DataError(f"{run.folder}: its images are no longer at {root}; name the place that has them: {again}.")
    return root


def _without_lost_list(recipe: Recipe) -> Recipe:
    """The split file has the images that were left out left out; the list of them need not exist any more."""
    if recipe.exclude is None or recipe.exclude.is_file():
        return recipe
    return recipe.model_copy(update={"exclude": None})


def _split_ids(run: Run) -> list[str]:
    path = run.folder / "split.csv"
    try:
        return [str(each) for each in pd.read_csv(path, dtype=str, keep_default_na=False)["id"]]
    except (OSError, ValueError, KeyError):
        raise DataError(f"{path}: cannot be read as the split of the run; train again with another --out.") from None


def _same_pixels(run: Run, manifest: Manifest, store: PixelStore) -> bool:
    """Whether the training images have the mean and spread that were noted when the run learned from them."""
    noted = run.environment.get("data", {})
    if not noted.get("mean") or not noted.get("std"):
        return False
    rows, found = manifest.rows("train"), ChannelStatistics()
    for start in range(0, len(rows), CHUNK):
        found.update(store.images[rows[start : start + CHUNK]])
    now, then = np.array([found.mean, found.std]), np.array([noted["mean"], noted["std"]])
    return now.shape == then.shape and bool(np.abs(now - then).max() <= SAME_PIXELS)
