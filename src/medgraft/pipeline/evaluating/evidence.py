"""What the findings of an evaluation are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from medgraft.data import LabelClasses
from medgraft.evaluation import Outcomes, PixelSample, read_outcomes
from medgraft.evaluation.intervals import group_column
from medgraft.evaluation.subgroup_values import By
from medgraft.pipeline.evaluating.choices import Choices
from medgraft.pipeline.evaluating.data import EXTERNAL, Subject
from medgraft.pipeline.evaluating.way import Way
from medgraft.run import Run
from medgraft.scores import Scores


@dataclass(frozen=True)
class Evidence:
    """A scored table, and all that is known of how it came about.

    Attributes
    ----------
    table : a row an image, as predictions.csv has it.
    pixels : of images with masks, by split.
    by : columns to make subgroups by.
    said : sentences on the data that a reader must know.
    distance : from the training images; None for the run's own data, and where it cannot be measured.
    """

    run: Run
    subject: Subject
    way: Way
    choices: Choices
    table: pd.DataFrame
    scores: Scores
    pixels: Mapping[str, PixelSample]
    by: tuple[By, ...]
    said: tuple[str, ...]
    distance: Mapping[str, Any] | None

    @property
    def split(self) -> str:
        """The split that the report speaks of."""
        rows = self.subject.rows
        return EXTERNAL if EXTERNAL in rows else "test" if "test" in rows else next(iter(rows))

    @property
    def masks(self) -> bool:
        """Whether images have masks."""
        return self.run.task == "segmentation"

    def rows(self, split: str | None = None) -> pd.DataFrame:
        """The rows of a split (default: the one that the report speaks of)."""
        return self.table[self.table["split"] == (split or self.split)].reset_index(drop=True)

    def outcomes(self, split: str | None = None, threshold: float | None = None) -> Outcomes:
        """What was said of the images of a split with labels (at the threshold in use, or another), and the truth."""
        classes, chosen = self.classes, self.choices.threshold if threshold is None else threshold
        return read_outcomes(self.rows(split), classes.names, classes.multilabel, chosen)

    def groups(self, split: str | None = None) -> Any:
        """The patients of the rows of a split; None where none is known."""
        return group_column(self.rows(split))

    @property
    def classes(self) -> LabelClasses:
        """Of the run's labels."""
        return LabelClasses.from_dict(self.run.model_info["classes"])
