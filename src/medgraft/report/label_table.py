"""The predictions of a classification run as arrays: who has which class, what was said, and how surely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data.labels import LabelClasses
from medgraft.errors import DataError, RunError, listing
from medgraft.evaluation.intervals import group_codes, group_column
from medgraft.evaluation.outcomes import Outcomes, read_outcomes
from medgraft.report.folder import RunFolder
from medgraft.report.tables import recipe_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Images of one split.

    Attributes
    ----------
    classes : names, and whether an image may have several.
    outcomes : truth, decisions and probabilities, [n, classes] each.
    ids, images : [n] id and file of each image.
    groups : [n] number of the group (patient) of each image, counted from 0; without groups, of the image.
    grouped : whether groups are known.
    folds : [n] the fold of cross-validation that tested the image; empty texts elsewhere.
    """

    classes: LabelClasses
    outcomes: Outcomes
    ids: tuple[str, ...]
    images: tuple[str, ...]
    groups: Integers
    grouped: bool
    folds: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truth(self) -> Bools:
        """[n, classes] whether an image has the class."""
        return self.outcomes.truth

    @property
    def decided(self) -> Bools:
        """[n, classes] whether the model says that it has."""
        return self.outcomes.decided

    @property
    def probability(self) -> Floats:
        """[n, classes] what the model gave to each class."""
        return self.outcomes.probabilities

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.groups))

    @property
    def sureness(self) -> Floats:
        """[n] how sure the model was of what it said.

        Of one class an image: the probability of the class that it named. Of several: of the least sure of the
        decisions where all are right, else of the surest of those that are wrong.
        """
        if not self.classes.multilabel:
            return np.asarray(np.where(self.decided, self.probability, 0.0).max(axis=1))
        sure = np.where(self.decided, self.probability, 1 - self.probability)
        wrong = np.where(self.truth != self.decided, sure, 0.0)
        return np.asarray(np.where(self.outcomes.correct, sure.min(axis=1), wrong.max(axis=1)))

    @property
    def given_to_truth(self) -> Floats:
        """[n] the probability given to the true class; of several labels, the mean over labels."""
        return self.outcomes.true_probability

    def names(self, chosen: Bools) -> str:
        """The names of the classes that are marked in ``chosen`` [classes]; "none" where none is."""
        return listing([n for n, there in zip(self.classes.names, chosen, strict=True) if there]) or "none"

    def missing(self) -> list[str]:
        """The classes that no image has."""
        return [name for name, images in zip(self.classes.names, self.truth.T, strict=True) if not images.any()]

    def of(self, rows: Bools | Integers) -> LabelTable:
        """The same of some rows, in that order."""
        places = np.arange(len(self))[rows]
        chosen = replace(
            self.outcomes,
            truth=self.truth[places],
            decided=self.decided[places],
            probabilities=self.probability[places],
        )
        ids, images = (tuple(texts[i] for i in places) for texts in (self.ids, self.images))
        groups = np.unique(self.groups[places], return_inverse=True)[1].astype(np.int64)
        return LabelTable(self.classes, chosen, ids, images, groups, self.grouped, self.folds[places])


def label_classes(run: RunFolder) -> LabelClasses:
    """The classes that the run's model was trained on; raises RunError where model.json does not say them."""
    try:
        return LabelClasses.from_dict(run.model["classes"])
    except (KeyError, TypeError, DataError) as error:
        where = run.path / "model.json"
        raise RunError(f"{where} names no classes ({error}); train again with another --out.") from None


def label_table(run: RunFolder, split: str | None) -> LabelTable:
    """Read the predictions of one split.

    Raises
    ------
    RunError
        Where ``predictions.csv`` lacks a column that the classes need, or names a class that the model has not.
    """
    classes, rows, path = label_classes(run), run.rows(split), run.path / "predictions.csv"
    lacking = [column for column in ("id", "image") if column not in rows]
    if lacking:
        raise RunError(f"{path} has no column {listing(lacking)}; evaluate the run again.")
    try:
        outcomes = read_outcomes(rows, classes.names, classes.multilabel)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    groups = group_column(rows)
    return LabelTable(
        classes,
        outcomes,
        tuple(_texts(rows["id"])),
        tuple(_texts(rows["image"])),
        group_codes(groups, len(rows)),
        groups is not None and any(text.strip() for text in _texts(rows["group"])),
        np.array(_texts(rows["fold"]) if "fold" in rows else [""] * len(rows), dtype=np.str_),
    )


def group_word(run: RunFolder) -> str:
    """What a group is in this data: "patients" where the column says so, else "groups (patients)"."""
    told = [f"column {recipe_of(run).get('group')}", *map(str, run.data.get("notes") or [])]
    named = any(re.search(r"column \S*(patient|subject)", text, re.IGNORECASE) for text in told)
    return "patients" if named else "groups (patients)"


def common_images(tables: Sequence[LabelTable]) -> list[LabelTable]:
    """The tables cut to the images that all of them hold with the same truth, in the order of the first."""
    places = [{image: place for place, image in enumerate(table.ids)} for table in tables]
    shared = [image for image in tables[0].ids if all(image in known for known in places)]
    rows = [np.array([known[image] for image in shared], dtype=np.int64) for known in places]
    cut = [table.of(chosen) for table, chosen in zip(tables, rows, strict=True)]
    same = np.all([(table.truth == cut[0].truth).all(axis=1) for table in cut], axis=0)
    return [table.of(same) for table in cut]


def _texts(column: pd.Series) -> list[str]:
    """A column as text; a table reader takes an empty text for a missing value."""
    return [str(value) for value in column.astype(object).where(column.notna(), "")]
