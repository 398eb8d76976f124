"""What a classifier said of each image and what is true, read from a table of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import RunError, listing

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PROBABILITY = "p_"
SEPARATOR = "|"
ROUNDING = 1e-6
# Probabilities in half precision add up to 1 within this.
NOT_ONE = 0.01


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Truth, probabilities and decisions of N images and C classes.

    Attributes
    ----------
    names : the classes in their order.
    multilabel : whether an image may have several labels, or none.
    truth, decided : [N, C], whether the image has the label, and whether it was said to.
    probabilities : [N, C], from 0 to 1.
    """

    names: tuple[str, ...]
    multilabel: bool
    truth: Flags
    decided: Flags
    probabilities: Floats

    @property
    def binary(self) -> bool:
        """Two classes, one of them an image; the second is the positive one."""
        return len(self.names) == 2 and not self.multilabel

    @property
    def correct(self) -> Flags:
        """[N], whether all that was decided of the image is right."""
        return np.asarray((self.truth == self.decided).all(axis=1))

    @property
    def true_probability(self) -> Floats:
        """[N], the probability that the truth was given; of several labels the mean over labels."""
        if self.multilabel:
            return np.asarray(np.where(self.truth, self.probabilities, 1 - self.probabilities).mean(axis=1))
        return np.asarray(np.where(self.truth, self.probabilities, 0).sum(axis=1))


def read_outcomes(
    table: pd.DataFrame, names: Sequence[str], multilabel: bool, threshold: float | None = None
) -> Outcomes:
    """Read the outcomes from rows of ``predictions.csv``.

    Parameters
    ----------
    table : a row an image, with the columns ``target`` (text; several labels joined by ``|``) and ``p_<name>``
        for each class.
    names, multilabel : the classes, as in :class:`Outcomes`.
    threshold : from this probability on a label is given: to the positive class in the binary case, to each
        label where there may be several. Of more than two classes the most probable is given. None: what was
        decided stands in the column ``predicted``.

    Raises
    ------
    RunError
        If a column is missing, a probability is no number from 0 to 1, or a target is no class.
    """
    names = tuple(names)
    columns = [f"{PROBABILITY}{name}" for name in names]
    _require(table, ["target", *(["predicted"] if threshold is None else []), *columns])
    probabilities = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    outside = ~((probabilities >= 0) & (probabilities <= 1 + ROUNDING)).all(axis=1)
    if outside.any():
        raise RunError(
            f"probabilities from 0 to 1 are wanted; they are not for the images {listing(_ids(table)[outside])}; "
            "evaluate the run again."
        )
    truth = _encode(table, "target", names, multilabel)
    if threshold is None:
        decided = _encode(table, "predicted", names, multilabel)
    else:
        decided = _decide(probabilities, multilabel, threshold)
    return Outcomes(names, multilabel, truth, decided, probabilities)


def class_names(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the classes of a table of predictions, in the order of its columns; none where it has masks."""
    return tuple(name.removeprefix(PROBABILITY) for name in map(str, columns) if name.startswith(PROBABILITY))


def is_multilabel(table: pd.DataFrame, names: Sequence[str]) -> bool:
    """Tell from rows of predictions whether an image may have several labels.

    It may where a target is not one of the names (none, or several of them), or where the probabilities of an
    image do not add up to 1.

    Raises
    ------
    RunError
        If a column is missing.
    """
    columns = [f"{PROBABILITY}{name}" for name in names]
    _require(table, ["target", *columns])
    if not set(table["target"].fillna("").astype(str)) <= set(names):
        return True
    sums = table[columns].sum(axis=1)
    return bool((np.abs(sums - 1) > NOT_ONE).any())


def _require(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        raise RunError(f"no column {listing(missing)} among the predictions; evaluate the run again.")


def _decide(probabilities: Floats, multilabel: bool, threshold: float) -> Flags:
    if multilabel:
        return np.asarray(probabilities >= threshold)
    if probabilities.shape[1] == 2:
        positive = probabilities[:, 1] >= threshold
        return np.stack([~positive, positive], axis=1)
    return np.asarray(probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1]))


def _encode(table: pd.DataFrame, column: str, names: tuple[str, ...], multilabel: bool) -> Flags:
    """[N, C], whether the text names the class."""
    # A CSV reader may take an empty text for a missing one.
    texts = ["" if pd.isna(text) else str(text) for text in table[column]]
    known = {name: index for index, name in enumerate(names)}
    flags = np.zeros((len(texts), len(names)), dtype=bool)
    for row, text in enumerate(texts):
        labels = (text.split(SEPARATOR) if text else []) if multilabel else [text]
        strange = [label for label in labels if label not in known]
        if strange:
            raise RunError(
                f"{column} {text!r} of image {_ids(table)[row]} names no class; the classes are {listing(names)}. "
                "Evaluate the run again."
            )
        flags[row, [known[label] for label in labels]] = True
    return flags


def _ids(table: pd.DataFrame) -> NDArray[np.object_]:
    return np.asarray(table["id"] if "id" in table.columns else table.index, dtype=object)
