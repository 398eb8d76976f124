"""What is scored of a part of the images: labels by scores over all of them, masks by means of their columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError, listing
from medgraft.evaluation.label_metrics import LabelMeasure
from medgraft.evaluation.metrics import metric_columns
from medgraft.evaluation.outcomes import Outcomes, class_names, is_multilabel, read_outcomes
from medgraft.evaluation.resampling import Measure, Resampled
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Means over classes, which mean another thing over other classes.
OVER_CLASSES = ("auc", "average_precision", "balanced_accuracy", "macro_recall", "macro_f1")


class OwnMeasure(Measure, Protocol):
    """Scores that know which interval they have."""

    def interval(self, name: str, resampled: Resampled) -> Interval:
        """The score with its interval."""


class Scorer(Protocol):
    """What is scored of some images."""

    def measure(self, inside: Flags, codes: Codes) -> OwnMeasure:
        """Scores of these images, ``codes`` being their groups from 0 without a gap."""

    def counts(self, inside: Flags) -> dict[str, int]:
        """Images of each class."""

    def comparable(self, name: str, inside: Flags) -> bool:
        """Whether the score means the same inside and outside."""


class LabelScorer:
    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes

    def measure(self, inside: Flags, codes: Codes) -> OwnMeasure:
        return LabelMeasure(self._part(inside), codes)

    def counts(self, inside: Flags) -> dict[str, int]:
        return dict(zip(self.outcomes.names, map(int, self.outcomes.truth[inside].sum(axis=0)), strict=True))

    def comparable(self, name: str, inside: Flags) -> bool:
        return name not in OVER_CLASSES or self._varying(inside) == self._varying(~inside)

    def _varying(self, inside: Flags) -> list[tuple[bool, bool]]:
        truth = self.outcomes.truth[inside]
        # Of several labels, one that every image has cannot be ranked either.
        return [(bool(column.any()), self.outcomes.multilabel and bool(column.all())) for column in truth.T]

    def _part(self, inside: Flags) -> Outcomes:
        whole = self.outcomes
        truth, decided, probabilities = whole.truth[inside], whole.decided[inside], whole.probabilities[inside]
        return replace(whole, truth=truth, decided=decided, probabilities=probabilities)


class MaskScorer:
    def __init__(self, table: pd.DataFrame, metrics: list[str]) -> None:
        self.metrics = metrics
        self.values = table[metrics].to_numpy(dtype=np.float64)

    def measure(self, inside: Flags, codes: Codes) -> OwnMeasure:
        return _Means(self.metrics, self.values[inside], codes)

    def counts(self, inside: Flags) -> dict[str, int]:
        return {}

    def comparable(self, name: str, inside: Flags) -> bool:
        return True


class _Means:
    """Means of columns over the images where they are defined."""

    def __init__(self, names: list[str], values: Floats, codes: Codes) -> None:
        self.images, self._names = len(values), names
        defined = ~np.isnan(values)
        self._defined = dict(zip(names, defined.sum(axis=0).tolist(), strict=True))
        self._sums = np.zeros((2, int(codes.max()) + 1, values.shape[1]))
        np.add.at(self._sums[0], codes, np.where(defined, values, 0))
        np.add.at(self._sums[1], codes, defined)

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        sums, numbers = np.einsum("kgm,gs->kms", self._sums, counts, optimize=True)
        means = np.divide(sums, numbers, out=np.full_like(sums, np.nan), where=numbers > 0)
        return dict(zip(self._names, means, strict=True))

    def interval(self, name: str, resampled: Resampled) -> Interval:
        return resampled.interval(name, self._defined[name])


class Part:
    """A measure of some of the groups, given how often each of all groups counts."""

    def __init__(self, scorer: Scorer, inside: Flags, codes: Codes) -> None:
        self.groups, own = np.unique(codes[inside], return_inverse=True)
        self._measure = scorer.measure(inside, own.astype(np.int64))
        self.images = self._measure.images

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        return self._measure(counts[self.groups])

    def interval(self, name: str, resampled: Resampled) -> Interval:
        """The score with its interval, of these groups."""
        return self._measure.interval(name, resampled)


def scorer_of(table: pd.DataFrame, multilabel: bool | None, threshold: float | None) -> Scorer:
    names = class_names(table.columns)
    if names:
        several = is_multilabel(table, names) if multilabel is None else multilabel
        return LabelScorer(read_outcomes(table, names, several, threshold))
    metrics = metric_columns(table.columns)
    if not metrics:
        raise RunError(f"there is no score among the columns {listing(table.columns)}; evaluate the run again.")
    return MaskScorer(table, metrics)
