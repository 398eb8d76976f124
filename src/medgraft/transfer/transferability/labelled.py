"""Features of images with their labels and patients: what every measure of transferability is taken of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.dealing import stratum_of
from medgraft.errors import DataError
from medgraft.losses import LabelKind

FloatArray = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

LEAST_GROUPS = 2
"""A class that fewer groups have cannot be learnt from one and tested on another."""


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """Features of N images, what is true of them, and which belong together.

    Attributes
    ----------
    features : [N, D] float32.
    labels : [N] int64 from 0 to C - 1, or of kind ``multilabel`` [N, C] uint8 of 0 and 1.
    groups : [N] int64, the patient (group) of each, numbered from 0 without gaps.
    kind : ``binary``, ``multiclass`` or ``multilabel``.
    classes : of the classes C that are measured, their numbers in the data.
    left_out : the numbers of those that are not, as fewer than two groups have them (or, of several labels, lack
        them). Images of such a class are left out too.
    """

    features: FloatArray
    labels: npt.NDArray[Any]
    groups: Codes
    kind: LabelKind
    classes: tuple[int, ...]
    left_out: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        features: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        groups: npt.NDArray[Any] | None,
        kind: LabelKind,
        count: int,
    ) -> LabelledFeatures:
        """Check and number what a data set has.

        Parameters
        ----------
        features : [N, D] numbers.
        labels : [N] of classes 0 to ``count`` - 1, or [N, ``count``] of 0 and 1.
        groups : [N] of anything that can be sorted; None: every image is a group of its own.

        Raises
        ------
        DataError
            Where a feature is no finite number, or fewer than two classes (of several labels, none) are in two groups
            or more.
        """
        table, truth = np.asarray(features, np.float32), np.asarray(labels)
        if table.ndim != 2 or len(truth) != len(table) or (groups is not None and len(groups) != len(table)):
            raise ValueError(f"features [N, D], and labels and groups of N (got {table.shape}, {truth.shape})")
        broken = int((~np.isfinite(table)).any(axis=1).sum())
        if broken:
            raise DataError(f"the features of {broken} of {len(table)} images are no finite numbers; "
                            "choose another encoder or other weights.")  # fmt: skip
        codes = np.arange(len(table)) if groups is None else pd.factorize(np.asarray(groups), sort=True)[0]
        kept = _testable(_presence(truth, kind, count), codes.astype(np.int64), kind)
        if len(kept) < (1 if kind == "multilabel" else 2):
            raise DataError(_too_few(truth, codes, kind))
        return cls._with(table, truth, codes, kind, count, kept)

    @classmethod
    def _with(
        cls, table: FloatArray, truth: npt.NDArray[Any], codes: npt.NDArray[Any], kind: LabelKind, count: int,
        kept: list[int],
    ) -> LabelledFeatures:  # fmt: skip
        left_out = tuple(sorted(set(range(count)) - set(kept)))
        if kind == "multilabel":
            return cls(table, truth[:, kept].astype(np.uint8), codes.astype(np.int64), kind, tuple(kept), left_out)
        rows = np.isin(truth, kept)
        numbers = np.searchsorted(kept, truth[rows]).astype(np.int64)
        groups = np.unique(codes[rows], return_inverse=True)[1].astype(np.int64)
        kind = "binary" if len(kept) == 2 else "multiclass"
        return cls(table[rows], numbers, groups, kind, tuple(kept), left_out)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def count(self) -> int:
        """How many classes are measured."""
        return len(self.classes)

    @property
    def presence(self) -> npt.NDArray[np.uint8]:
        """1 for each class that an image has, [N, C]."""
        return _presence(self.labels, self.kind, self.count)

    @property
    def group_count(self) -> int:
        """How many patients (groups) there are."""
        return int(self.groups.max()) + 1

    def strata(self) -> Codes:
        """The class that each group is dealt by, [G]: the rarest that any of its images has."""
        presence = self.presence
        sums = np.zeros((self.group_count, presence.shape[1]), np.int64)
        np.add.at(sums, self.groups, presence)
        return stratum_of(sums)


def _presence(truth: npt.NDArray[Any], kind: LabelKind, count: int) -> npt.NDArray[np.uint8]:
    """1 for each class that an image has, [N, C]."""
    return np.asarray(truth if kind == "multilabel" else np.eye(count, dtype=np.uint8)[truth], np.uint8)


def _testable(presence: npt.NDArray[np.uint8], codes: Codes, kind: LabelKind) -> list[int]:
    """The classes that enough groups have; of several labels, that enough groups lack too."""
    has = [len(np.unique(codes[column > 0])) >= LEAST_GROUPS for column in presence.T]
    lacks = [kind != "multilabel" or len(np.unique(codes[column == 0])) >= LEAST_GROUPS for column in presence.T]
    return [index for index, pair in enumerate(zip(has, lacks, strict=True)) if all(pair)]


def _too_few(truth: npt.NDArray[Any], codes: npt.NDArray[Any], kind: LabelKind) -> str:
    groups = len(np.unique(codes))
    what = "no label" if kind == "multilabel" else "fewer than two classes"
    return (
        f"{len(truth)} training images of {groups} patients (groups) are too few to measure on: {what} in two groups "
        "or more, so nothing learnt of one patient could be tested on another. Add images, or patients."
    )
