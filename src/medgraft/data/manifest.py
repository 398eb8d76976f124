"""The Manifest: one row an image, whatever layout the files had. Nothing after it knows about layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.exclusion import without_excluded
from medgraft.data.formats import file_of
from medgraft.data.labels import LabelClasses
from medgraft.data.problems import ProblemKind, refuse
from medgraft.errors import DataError, listing

SPLITS: tuple[str, ...] = ("train", "val", "test")
UNUSED = "unused"
"""What stands in place of a split where a training image is left out, so that less is learnt from."""


@dataclass(frozen=True, eq=False)
class Manifest:
    """A table of images with masks or labels that has been checked.

    Attributes
    ----------
    table : columns ``id`` (unique), ``image`` (a path, or ``path#part`` for one picture of a file that holds several)
        and ``target`` (the same of the mask, or the label; several labels are joined by ``|``, and none is an empty
        text), optional ``group`` (patient), optional ``split``
        (train, val or test, or unused for an image that is left out), and the user's own columns.
    root : the folder or file the data came from.
    name : a short name for titles and folders.
    notes : what was recognised or decided on the way here, one sentence each.
    classes : what the labels mean; None where targets are masks.
    mask_values : what the masks' values mean (see :meth:`~medgraft.data.masks.MaskClasses.from_option`), where the
        data itself says so; a recipe that maps them goes before it.
    withheld : whether names of files tell who a patient is, so that nothing that is kept may repeat them.

    Raises
    ------
    DataError
        When an id is doubled, a row has no mask or label, a file is missing, a label is none of the classes, a
        split is none of the three, or a group is in two splits. Where problems are collected (see ``problems``), such
        rows are left out instead, and groups and splits stay as they are.
    """

    table: pd.DataFrame
    root: Path
    name: str
    notes: tuple[str, ...] = ()
    classes: LabelClasses | None = None
    mask_values: Mapping[str, str] | None = None
    withheld: bool = False

    def __post_init__(self) -> None:
        table = self.table.reset_index(drop=True).copy()
        absent = [column for column in ("id", "image", "target") if column not in table]
        if absent:
            raise DataError(f"{self.root}: the table has no column {', '.join(absent)}.")
        for column in table.columns.intersection(["id", "image", "target", "group", "split"]):
            table = _without_missing(table, str(column), self.root, self.classes)
            table[column] = table[column].astype(str)
        _check_ids(table, self.root)
        masks = [] if self.classes else ["target"]
        table = without_excluded(table, ["image", "id", *masks])
        table = _with_files(table, "image", "missing images", self.root)
        if self.classes is None:
            table = _with_files(table, "target", "missing masks", self.root)
        else:
            _check_labels(table, self.classes, self.root)
        _check_splits(table, self.root)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "root", Path(self.root))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_split(self) -> bool:
        """Whether every row has been given to train, val or test, or is left out."""
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

    def recorded(self, row: int) -> dict[str, str]:
        """What a run may keep of a row: id, image, target, group, split; the id for files whose names tell too much."""
        entry = self.table.iloc[row]
        kept = {name: str(entry[name]) for name in ("id", "image", "target", "group", "split") if name in entry}
        if self.withheld:
            kept |= dict.fromkeys(("image",) if self.classes else ("image", "target"), kept["id"])
        return kept

    @property
    def withheld_places(self) -> pd.DataFrame | None:
        """The files of the images by id, where a run may not keep them; None where it does."""
        return self.table[["id", "image", "target"]] if self.withheld else None

    def with_notes(self, *notes: str) -> Manifest:
        """Return the manifest with ``notes`` added."""
        return replace(self, notes=(*self.notes, *notes))

    def _part(self, split: str) -> Manifest:
        return replace(self, table=self.table.iloc[self.rows(split)])


def groups_in_two_splits(groups: pd.Series, splits: pd.Series) -> list[str]:
    """Return the groups whose images lie in more than one split, sorted."""
    counts = splits.groupby(groups).nunique()
    return sorted(str(group) for group in counts.index[counts > 1])


def _without_missing(table: pd.DataFrame, column: str, root: Path, classes: LabelClasses | None) -> pd.DataFrame:
    """The table; a row that lacks a value of ``column`` is refused, and so left out, or has an empty text there."""
    empty = table[column].isna()
    if column != "target" or classes is None or not classes.multilabel:
        empty |= table[column].astype(str).str.strip() == ""
    if not empty.any():
        return table
    what = {"target": "label" if classes else "mask", "image": "image file"}.get(column, column)
    where = table.loc[empty, "image" if column == "id" else "id"]
    sentence = f"{root}: {int(empty.sum())} images have no {what}: {listing(where)}."
    if column in ("id", "group"):
        raise DataError(sentence)
    kinds: dict[str, ProblemKind] = {
        "image": "no image file",
        "split": "unknown splits",
        "target": "no label" if classes else "no mask",
    }
    refuse(kinds[column], sentence, where)
    return table if column == "split" else table[~empty].reset_index(drop=True)


def _check_ids(table: pd.DataFrame, root: Path) -> None:
    doubled = table["id"][table["id"].duplicated()].unique()
    if len(doubled):
        raise DataError(f"{root}: images are listed more than once: {listing(doubled)}.")


def _with_files(table: pd.DataFrame, column: str, kind: ProblemKind, root: Path) -> pd.DataFrame:
    """The table; rows whose file is not there are refused, and so left out."""
    files = [file_of(text) for text in table[column]]
    exists = {file: file.is_file() for file in set(files)}
    there = np.array([exists[file] for file in files], bool)
    if there.all():
        return table
    missing = table[column][~there]
    what = "images" if column == "image" else "masks"
    sentence = f"{root}: {len(missing)} {what} do not exist: {listing(missing)}."
    if not there.any():  # nothing is left to look at
        raise DataError(sentence)
    refuse(kind, sentence, missing if column == "image" else table["image"][~there])
    return table[there].reset_index(drop=True)


def _check_labels(table: pd.DataFrame, classes: LabelClasses, root: Path) -> None:
    try:
        classes.encode(table["target"])
    except DataError as error:
        raise DataError(f"{root}: {error}") from None


def _check_splits(table: pd.DataFrame, root: Path) -> None:
    if "split" not in table:
        return
    strange = sorted(set(table["split"]) - {*SPLITS, UNUSED})
    if strange:
        places = table["image"][table["split"].isin(strange)]
        refuse("unknown splits", f"{root}: a split is {', '.join(SPLITS)}, not {listing(strange)}.", places)
    if "group" in table:
        torn = groups_in_two_splits(table["group"], table["split"])
        if torn:
            refuse(
                "torn groups",
                f"{root}: {len(torn)} groups (patients) have images in more than one split: {listing(torn)}. "
                "Put all images of a group into one split, or leave the split out to have one made.",
                torn,
            )
