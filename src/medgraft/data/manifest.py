"""The Manifest: one row an image, whatever layout the files had. Nothing after it knows about layouts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.labels import LabelClasses
from medgraft.errors import DataError, listing

SPLITS: tuple[str, ...] = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Manifest:
    """A table of images with masks or labels that has been checked.

    Attributes
    ----------
    table : columns ``id`` (unique), ``image`` (a path) and ``target`` (the path of the mask, or the label; several
        labels are joined by ``|``, and none is an empty text), optional ``group`` (patient), optional ``split``
        (train, val or test), and the user's own columns.
    root : the folder or file the data came from.
    name : a short name for titles and folders.
    notes : what was recognised or decided on the way here, one sentence each.
    classes : what the labels mean; None where targets are masks.

    Raises
    ------
    DataError
        When an id is doubled, a row has no mask or label, a file is missing, a label is none of the classes, a
        split is none of the three, or a group is in two splits.
    """

    table: pd.DataFrame
    root: Path
    name: str
    notes: tuple[str, ...] = ()
    classes: LabelClasses | None = None

    def __post_init__(self) -> None:
        table = self.table.reset_index(drop=True).copy()
        absent = [column for column in ("id", "image", "target") if column not in table]
        if absent:
            raise DataError(f"{self.root}: the table has no column {', '.join(absent)}.")
        for column in table.columns.intersection(["id", "image", "target", "group", "split"]):
            _refuse_missing(table, str(column), self.root, self.classes)
            table[column] = table[column].astype(str)
        _check_ids(table, self.root)
        _check_files(table, "image", "images", self.root)
        if self.classes is None:
            _check_files(table, "target", "masks", self.root)
        else:
            _check_labels(table, self.classes, self.root)
        _check_splits(table, self.root)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "root", Path(self.root))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_split(self) -> bool:
        """Whether every row has been given to train, val or test."""
        return "split" in self.table

    @property
    def has_groups(self) -> bool:
        """Whether patients (groups) are known."""
        return "group" in self.table

    @property
    def task(self) -> Literal["segmentation", "classification"]:
        """What the targets are for: masks or labels."""
        return "segmentation" if self.classes is None else "classification"

    @property
    def labels(self) -> npt.NDArray[Any]:
        """Class indices ``[n]`` int64, or of multi-label data 0 and 1 ``[n, C]`` uint8, in table order.

        Raises DataError where the targets are masks.
        """
        if self.classes is None:
            raise DataError(f"{self.root}: the images have masks and no labels.")
        return self.classes.encode(self.table["target"])

    @property
    def presence(self) -> npt.NDArray[np.uint8]:
        """1 for each class that an image has, else 0, ``[n, C]``; raises DataError where the targets are masks."""
        if self.classes is None:
            raise DataError(f"{self.root}: the images have masks and no labels.")
        return self.classes.presence(self.table["target"])

    @property
    def train(self) -> Manifest:
        """The training rows."""
        return self._part("train")

    @property
    def val(self) -> Manifest:
        """The validation rows."""
        return self._part("val")

    @property
    def test(self) -> Manifest:
        """The test rows."""
        return self._part("test")

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Positions ``[n]`` in the table of the rows of ``split``, in table order."""
        if split not in SPLITS:
            raise DataError(f"no split {split!r}; there are {', '.join(SPLITS)}.")
        if not self.has_split:
            raise DataError(f"{self.root}: the data has no splits yet; assign_splits makes them.")
        return np.flatnonzero((self.table["split"] == split).to_numpy()).astype(np.int64)

    def split_counts(self) -> dict[str, int]:
        """Number of images in each split, for the three splits."""
        return {split: len(self.rows(split)) for split in SPLITS}

    def with_split(self, splits: pd.Series) -> Manifest:
        """Return the manifest with the splits of ``splits`` (values train, val, test; indexed by id).

        Raises DataError when its ids are not exactly those of the table.
        """
        doubled = splits.index[splits.index.duplicated()]
        if len(doubled):
            raise DataError(f"a split is given twice for {listing(doubled)}.")
        ids = pd.Index(self.table["id"])
        unknown, missing = splits.index.difference(ids), ids.difference(splits.index)
        if len(unknown):
            raise DataError(f"a split is given for images that are not in {self.root}: {listing(unknown)}.")
        if len(missing):
            raise DataError(f"no split is given for images of {self.root}: {listing(missing)}.")
        return replace(self, table=self.table.assign(split=splits.reindex(ids).to_numpy()))

    def with_notes(self, *notes: str) -> Manifest:
        """Return the manifest with ``notes`` added."""
        return replace(self, notes=(*self.notes, *notes))

    def _part(self, split: str) -> Manifest:
        return replace(self, table=self.table.iloc[self.rows(split)])


def groups_in_two_splits(groups: pd.Series, splits: pd.Series) -> list[str]:
    """Return the groups whose images lie in more than one split, sorted."""
    counts = splits.groupby(groups).nunique()
    return sorted(str(group) for group in counts.index[counts > 1])


def _refuse_missing(table: pd.DataFrame, column: str, root: Path, classes: LabelClasses | None) -> None:
    empty = table[column].isna()
    if column != "target" or classes is None or not classes.multilabel:
        empty |= table[column].astype(str).str.strip() == ""
    if not empty.any():
        return
    what = {"target": "label" if classes else "mask", "image": "image file"}.get(column, column)
    name = "image" if column == "id" else "id"
    where = listing(table.loc[empty, name])
    raise DataError(f"{root}: {int(empty.sum())} images have no {what}: {where}.")


def _check_ids(table: pd.DataFrame, root: Path) -> None:
    doubled = table["id"][table["id"].duplicated()].unique()
    if len(doubled):
        raise DataError(f"{root}: images are listed more than once: {listing(doubled)}.")


def _check_files(table: pd.DataFrame, column: str, what: str, root: Path) -> None:
    missing = [path for path in table[column] if not Path(path).is_file()]
    if missing:
        raise DataError(f"{root}: {len(missing)} {what} do not exist: {listing(missing)}.")


def _check_labels(table: pd.DataFrame, classes: LabelClasses, root: Path) -> None:
    try:
        classes.encode(table["target"])
    except DataError as error:
        raise DataError(f"{root}: {error}") from None


def _check_splits(table: pd.DataFrame, root: Path) -> None:
    if "split" not in table:
        return
    strange = sorted(set(table["split"]) - set(SPLITS))
    if strange:
        raise DataError(f"{root}: a split is {', '.join(SPLITS)}, not {listing(strange)}.")
    if "group" in table:
        torn = groups_in_two_splits(table["group"], table["split"])
        if torn:
            raise DataError(
                f"{root}: {len(torn)} groups (patients) have images in more than one split: {listing(torn)}. "
                "Put all images of a group into one split, or leave the split out to have one made."
            )
