"""Probabilities and truth as arrays, checked, in the one form that every score of probabilities takes.

Tables of predictions are read by :func:`~medgraft.evaluation.outcomes.read_outcomes`; this is for arrays, as of pixels,
of an exported model, or of a model that is not ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.data.labels import Kind
from medgraft.errors import DataError
from medgraft.evaluation.outcomes import NOT_ONE, ROUNDING, Outcomes

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HALF_A_STEP = 2.0**-25
"""Half of the distance between 1 and the next smaller float32: what is left beside a probability that was rounded to
1."""


def outcomes_of(probabilities: ArrayLike, truth: ArrayLike, kind: Kind, threshold: float = 0.5) -> Outcomes:
    """Return arrays as :class:`~medgraft.evaluation.outcomes.Outcomes`, the classes named by their numbers.

    Parameters
    ----------
    probabilities : from 0 to 1. ``binary``: [N] of the positive class, or [N, 2] of both; ``multiclass``: [N, C] that
        add up to 1; ``multilabel``: [N, C], each on its own.
    truth : ``binary`` and ``multiclass``: [N], the number of the class (or True and False). ``multilabel``: [N, C] of 0
        and 1.
    kind : what an image may have: one of two classes, one of several, or any of several labels.
    threshold : from this probability on the positive class, or a label, counts as given.

    Raises
    ------
    DataError
        If there is no image, shapes do not fit, or a probability or truth is out of range.
    """
    table = _both_classes(_numbers("probabilities", probabilities)) if kind == "binary" else probabilities
    shares = _numbers("probabilities", table)
    flags = truth_flags(truth, shares.shape, kind)
    if not ((shares >= 0) & (shares <= 1 + ROUNDING)).all():
        raise DataError(
            "probabilities are from 0 to 1; some of these are not. Logits are turned by a softmax or sigmoid."
        )
    if kind != "multilabel" and (np.abs(shares.sum(axis=1) - 1) > NOT_ONE).any():
        raise DataError("the probabilities of an image must add up to 1; where it may have several labels, say so.")
    decided = shares >= threshold
    if kind == "binary":
        decided[:, 0] = ~decided[:, 1]
    elif kind == "multiclass":
        decided = shares.argmax(axis=1)[:, None] == np.arange(shares.shape[1])
    names = tuple(str(index) for index in range(shares.shape[1]))
    return Outcomes(names, kind == "multilabel", flags, decided, shares)


def kind_of(outcomes: Outcomes) -> Kind:
    """Return ``binary``, ``multiclass`` or ``multilabel``."""
    if outcomes.multilabel:
        return "multilabel"
    return "binary" if outcomes.binary else "multiclass"


def truth_flags(truth: ArrayLike, shape: tuple[int, ...], kind: Kind) -> Flags:
    """Return [N, C], whether the image has the class; see :func:`outcomes_of` for the forms of ``truth``.

    Parameters
    ----------
    shape : of the probabilities or logits, a column a class.

    Raises
    ------
    DataError
        If there is no image, shapes do not fit, or a truth is no class.
    """
    found = _numbers("truth", truth)
    wanted = shape if kind == "multilabel" else shape[:1]
    if len(shape) != 2 or found.shape != wanted or shape[1] < 1 + (kind != "multilabel"):
        raise DataError(
            f"values of shape {list(shape)} do not fit a truth of shape {list(found.shape)}; of a {kind} task "
            + ("both are [N, C]." if kind == "multilabel" else "the truth is [N], the number of the class.")
        )
    if not len(found):
        raise DataError("there is no image, so there is nothing to score.")
    top = 1 if kind == "multilabel" else shape[1] - 1
    if not np.isin(found, np.arange(top + 1)).all():
        raise DataError(f"the truth is a whole number from 0 to {top}; some are not.")
    if kind == "multilabel":
        return np.asarray(found == 1)
    return np.asarray(found[:, None] == np.arange(shape[1]))


def _both_classes(positive: Floats) -> Floats:
    """[N, 2] of [N] or [N, 2]. What is left beside a 1 is not nothing but less than could be written."""
    if positive.ndim != 1:
        if positive.ndim != 2 or positive.shape[1] != 2:
            raise DataError(f"of two classes, probabilities are [N] or [N, 2] (got {list(positive.shape)}).")
        return positive
    return np.stack([np.maximum(1 - positive, HALF_A_STEP), positive], axis=1)


def _numbers(what: str, values: ArrayLike) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: numbers are wanted ({error}).") from error
    if not np.isfinite(found).all():
        raise DataError(f"{what}: {int((~np.isfinite(found)).sum())} values are undefined (NaN) or infinite.")
    return found
