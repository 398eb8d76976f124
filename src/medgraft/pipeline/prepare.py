"""From the user's data to what a training reads: manifest, pixels, splits, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data import (
    ChannelStatistics,
    Manifest,
    PixelStore,
    apply_split_file,
    assign_splits,
    open_data,
)
from medgraft.data.exclusion import apply_exclusion
from medgraft.data.formats import AUTO, is_windowed
from medgraft.data.modality import all_grey
from medgraft.data.subset import learn_from
from medgraft.errors import DataError
from medgraft.pipeline.quick_audit import remarks
from medgraft.pipeline.tasks import TargetTask, label_counts, task_of
from medgraft.progress import Observer
from medgraft.recipe import Recipe

CHUNK = 256
"""Images read at a time from the mapped store for the statistics."""


@dataclass(frozen=True)
class Prepared:
    """Data that is ready to train on.

    Attributes
    ----------
    manifest : with a split for every image.
    store : pixels at working size, in the manifest's order.
    task : what is to be predicted.
    mean, std : of each channel over the training images alone, in [0, 1].
    """

    manifest: Manifest
    store: PixelStore
    task: TargetTask
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def rows(self) -> dict[str, npt.NDArray[np.int64]]:
        """Positions of the images of each split."""
        return {split: self.manifest.rows(split) for split in ("train", "val", "test")}

    @property
    def source_size(self) -> list[int]:
        """Height and width of the training images as they were before they were resized, the medians."""
        return [int(side) for side in np.median(self.store.sizes[self.manifest.rows("train")], axis=0)]

    def targets(self, split: str) -> npt.NDArray[Any]:
        """Targets of the images of a split."""
        return self.store.targets[self.rows[split]]

    def describe(self) -> dict[str, Any]:
        """What the run records of its data."""
        return dict(self._description)

    @cached_property  # a study's cells share it, and so do the steps of a run
    def _description(self) -> dict[str, Any]:
        return {
            "name": self.manifest.name,
            "root": self.manifest.name if self.manifest.withheld else str(self.manifest.root),
            "images": len(self.manifest) - unused_of(self.manifest),
            "unused": unused_of(self.manifest),
            "splits": self.manifest.split_counts(),
            "notes": list(self.manifest.notes),
            "mean": list(self.mean),
            "std": list(self.std),
            "store": self.store.path.name,
            "synthetic": is_synthetic(self.manifest),
            **self._of_targets(),
        }

    def _of_targets(self) -> dict[str, Any]:
        if self.store.classes is not None:
            return {"rule": self.store.classes.rule}
        parts = {"train": self.manifest.train, "val": self.manifest.val, "test": self.manifest.test}
        counts = {split: label_counts(part) for split, part in parts.items() if len(part)}
        return {"labels": counts, "groups": self._groups()}

    def _groups(self) -> dict[str, int]:
        """How many patients each split has, where they are known."""
        if not self.manifest.has_groups:
            return {}
        found = self.manifest.table.groupby("split")["group"].nunique()
        return {split: int(found[split]) for split in ("test", "train", "val") if split in found}


def open_for(data: str | Path | Manifest, recipe: Recipe, observer: Observer | None = None) -> Manifest:
    """Open ``data`` with the columns that the recipe names; a Manifest is taken as it is."""
    if isinstance(data, Manifest):
        for asked, there, name in (
            (recipe.group_column, data.has_groups, "group"),
            (recipe.split_column, data.has_split, "split_column"),
        ):
            if asked is not None and not there:
                raise DataError(
                    f"{data.root}: {name} {asked!r} is asked for and this Manifest was opened without it; "
                    f"open it with medgraft.open(..., {name}={asked!r})."
                )
        return data if recipe.exclude is None else apply_exclusion(data, recipe.exclude)
    manifest = open_data(
        data,
        image_column=recipe.image_column,
        mask_column=recipe.mask_column,
        group=recipe.group_column,
        split_column=recipe.split_column,
        label_column=recipe.label_column,
        classes=recipe.classes,
        task=recipe.task,
        exclude=recipe.exclude,
        axis=recipe.axis,
        progress=(observer or Observer()).working,
    )
    if recipe.window != AUTO and not any(is_windowed(image) for image in manifest.table["image"]):
        return manifest.with_notes(f"window {recipe.window} has no effect: no image holds measured values")
    return manifest


def complete(recipe: Recipe, manifest: Manifest) -> Recipe:
    """The recipe with what the data's task, the colour of its images and the names of its classes ask for."""
    grey = "augment" not in recipe.model_fields_set and all_grey(manifest)
    if recipe.mask_values is None and manifest.mask_values is not None:
        recipe = recipe.model_copy(update={"mask_values": dict(manifest.mask_values)})
    return recipe.for_task(manifest.task, grey)


def prepare(manifest: Manifest, recipe: Recipe, observer: Observer, split_file: Path | None = None) -> Prepared:
    """Decode the images once, give every image its split, and take the statistics of the training images.

    Parameters
    ----------
    split_file : the split.csv of the run that is resumed. It goes before the data's own split and before the recipe's,
        and what it leaves out is left out already.
    """
    saved = split_file or recipe.split_file
    if saved is not None:
        manifest = apply_split_file(manifest, saved)
    store = open_store(manifest, recipe, observer)
    foreground = store.foreground if manifest.classes is None else None
    if saved is None:
        manifest = assign_splits(manifest, foreground, recipe.ratios, recipe.seed)
    if recipe.train_images is not None and split_file is None:
        manifest = learn_from(manifest, recipe.train_images, recipe.seed, foreground)
    manifest = manifest.with_notes(*_left_out(manifest, recipe))
    rows = manifest.rows("train")
    if len(rows) < 2:
        raise DataError(f"{manifest.root}: {len(rows)} training images; a training needs at least two.")
    if not len(manifest.rows("val")) and not len(manifest.rows("test")):
        raise DataError(
            f"{manifest.root}: every image is in train, so nothing is left to score the model on; "
            "give val or test a share by --ratios, or a split that has one."
        )
    statistics = ChannelStatistics()
    for start in range(0, len(rows), CHUNK):
        statistics.update(store.images[rows[start : start + CHUNK]])
    mean, std = tuple(map(float, statistics.mean)), tuple(map(float, statistics.std))
    manifest = manifest.with_notes(*remarks(manifest, store))
    return Prepared(manifest, store, task_of(manifest, store), mean, std)


def _left_out(manifest: Manifest, recipe: Recipe) -> Iterator[str]:
    """A note on training images that are not learnt from, where there are any."""
    train, unused = len(manifest.rows("train")), unused_of(manifest)
    if unused:
        by = ", whole groups" if manifest.has_groups else ""
        yield f"learns from {train} of {train + unused} training images (seed {recipe.seed}{by}); the others are unused"


def unused_of(manifest: Manifest) -> int:
    """How many training images are left out."""
    return len(manifest) - sum(manifest.split_counts().values())


def open_store(manifest: Manifest, recipe: Recipe, observer: Observer) -> PixelStore:
    """The images at the recipe's size, decoded where they were not before."""
    return PixelStore.open(
        manifest,
        recipe.size,
        channels=recipe.channels,
        mask_values=recipe.mask_values,
        window=recipe.window,
        progress=lambda done, total: observer.working("decoding images", done, total),
    )


def is_synthetic(manifest: Manifest) -> bool:
    """Whether the data says of itself that it was generated."""
    return "source" in manifest.table and bool((manifest.table["source"].astype(str) == "SYNTHETIC").all())


def describe_data(prepared: Prepared) -> str:
    """The first line that a user sees: what was understood of the data."""
    manifest = prepared.manifest
    counts = ", ".join(f"{n} {split}" for split, n in manifest.split_counts().items())
    groups = f" · {manifest.table['group'].nunique()} groups" if manifest.has_groups else ""
    notes = "".join(f"\n  {note}" for note in manifest.notes)
    synthetic = "SYNTHETIC · " if prepared.describe()["synthetic"] else ""
    return f"{synthetic}{manifest.name}: {prepared.task.about(manifest)}{groups} · {counts}{notes}"
