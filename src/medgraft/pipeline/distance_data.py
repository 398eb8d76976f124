"""Images to measure a distance on: a sample of any data that Medgraft opens, or of a plain folder of images."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data import Manifest, read_image, resize_image
from medgraft.data.formats import is_image, parts_of
from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.tables import find_labelled
from medgraft.errors import DataError, listing
from medgraft.pipeline.prepare import open_for
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.transfer.moments import sample_rows

BATCH = 16
_DEEP = 257  # takes 255 to 65535
_ASKED = {"image_column", "mask_column", "label_column", "group_column", "group", "split_column", "classes", "exclude"}
"""Options on tables and layouts: with one of these, a folder with images and a table in it is not a plain one."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Images that were drawn, not yet read.

    Attributes
    ----------
    name : of the data.
    images : addresses of those drawn.
    groups : the patient of each; None where none is known.
    total : how many they were drawn from.
    notes : what was understood of the data, one sentence each.
    """

    name: str
    images: tuple[str, ...]
    groups: npt.NDArray[Any] | None
    total: int
    notes: tuple[str, ...]


@dataclass
class Reader:
    """Reads the images of a sample batch by batch, and remembers which could be read."""

    sample: Sample
    recipe: Recipe
    read: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Batches [B, size, size, channels]. Raises DataError where not one image can be read."""
        images = self.sample.images
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(images), BATCH):
                found = list(pool.map(self._one, images[start : start + BATCH]))
                self.read += [start + number for number, each in enumerate(found) if not isinstance(each, DataError)]
                self.failed += [str(each) for each in found if isinstance(each, DataError)]
                pixels = [each for each in found if not isinstance(each, DataError)]
                if pixels:
                    yield _stacked(pixels)
        if not self.read:
            raise DataError(f"{self.sample.name}: no image can be read; the first says: {self.failed[0]}")

    @property
    def groups(self) -> npt.NDArray[Any] | None:
        """The patients of the images that were read."""
        return None if self.sample.groups is None else self.sample.groups[self.read]

    def left_out(self) -> str | None:
        """A sentence on the images that could not be read, if there are any."""
        if not self.failed:
            return None
        verb = "image was" if len(self.failed) == 1 else "images were"
        return f"{len(self.failed)} {verb} left out: {listing(self.failed, 3)}"

    def _one(self, address: str) -> npt.NDArray[Any] | DataError:
        recipe = self.recipe
        try:
            pixels = read_image(address, recipe.channels, at_least=recipe.size, window=recipe.window)
        except DataError as error:
            return error
        return resize_image(pixels, recipe.size)


def draw_sample(data: str | Path | Manifest, recipe: Recipe, limit: int, observer: Observer) -> Sample:
    """Draw up to ``limit`` images; where the data has splits, none of the test split, which is for evaluation alone.

    Raises
    ------
    DataError
        Where the data is neither in a layout that is understood nor a folder with images in it.
    """
    try:
        manifest = open_for(data, recipe, observer)
    except DataError:
        if isinstance(data, Manifest):
            raise
        images = _plain(Path(data).expanduser(), asked=_ASKED & set(recipe.chosen()))
        if not images:
            raise
        rows = sample_rows(len(images), limit, recipe.seed)
        note = f"{len(images)} images in the folder itself; no patients are known"
        return Sample(_name(data), tuple(images[row] for row in rows), None, len(images), (note,))
    return _of_manifest(manifest, recipe, limit)


def _of_manifest(manifest: Manifest, recipe: Recipe, limit: int) -> Sample:
    table, notes = manifest.table, manifest.notes
    if manifest.has_split:
        table = table[table["split"] != "test"]
        notes = (*notes, f"{len(manifest) - len(table)} test images are not looked at")
    if not len(table):
        raise DataError(f"{manifest.root}: all images are test images, which are for evaluation alone.")
    drawn = table.iloc[sample_rows(len(table), limit, recipe.seed)]
    groups = drawn["group"].to_numpy() if manifest.has_groups else None
    return Sample(manifest.name, tuple(drawn["image"]), groups, len(table), notes)


def _plain(folder: Path, asked: Collection[str]) -> list[str]:
    """Addresses of the pictures of image files that lie in the folder itself; none where a table tells of them."""
    if not folder.is_dir() or (asked and any(folder.glob("*.csv"))) or _lists_images(folder):
        return []
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and is_image(file)]
    return [address for file in files if not file.name.startswith(".") for address in parts_of(file)]


def _lists_images(folder: Path) -> bool:
    """Whether a table in the folder names its images: its split says which of them are not to be looked at."""
    try:
        return find_labelled(folder, Columns()) is not None
    except DataError:  # one that cannot be read may do so
        return True


def _name(data: str | Path) -> str:
    return Path(data).expanduser().resolve().name


def _stacked(pixels: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """One array; 8-bit images among deeper ones are brought to their depth."""
    if len({each.dtype for each in pixels}) > 1:
        pixels = [each.astype(np.uint16) * _DEEP if each.dtype == np.uint8 else each for each in pixels]
    return np.stack(pixels)
