"""Are probabilities what they say? Calibration error, Brier score and log-likelihood, before and after scaling.

================  ====================================================================================================
ece               expected calibration error: over bins, the difference between mean probability and the share that came
                  true, weighted by how many are in the bin (Naeini et al. 2015; Guo et al. 2017, eq. 3), 15 bins of
                  equal width. What is binned: see :mod:`~medgraft.evaluation.reliability`. Of several labels the mean
                  over labels, each with bins of its own.
classwise_ece     of three classes or more: the mean over classes of the error of the class's own probability (Kull et
                  al. 2019), as confidence in the first place says nothing of the others.
ece_<class>       that error of one class or label.
brier             as in :mod:`~medgraft.evaluation.label_metrics`.
nll               mean negative logarithm of the probability of the truth (nats); of several labels their mean.
================  ====================================================================================================

Chance moves shares away from probabilities, never towards them, so an expected calibration error of few images is too
large even where the model is right. ``excess`` says by about how much: by how much resamples lie above the images
themselves. The interval is moved down by it (see :mod:`~medgraft.transfer.group_bootstrap`); the value is left as it
is everywhere reported. Brier score and log-likelihood have no such flaw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax

from medgraft.data.labels import Kind
from medgraft.evaluation.forecasts import kind_of, outcomes_of
from medgraft.evaluation.intervals import group_codes
from medgraft.evaluation.label_metrics import squared_error
from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.reliability import (
    BINS,
    Reliability,
    View,
    bin_sums,
    class_views,
    equal_width,
    overall_view,
    reliability,
)
from medgraft.evaluation.resampling import Bootstrap, Resampled, resample
from medgraft.evaluation.temperature import apply_temperature, fit_temperature, logits_of
from medgraft.scores import Interval
from medgraft.transfer.group_bootstrap import spread

__all__ = [
    "Calibrated",
    "Calibration",
    "CalibrationMeasure",
    "brier_score",
    "calibration",
    "expected_calibration_error",
    "fit_temperature",
    "reliability",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

PROPER = ("brier", "nll")
"""Scores that chance moves either way, so that their intervals stand as they are."""

FEW = 100
"""Images below which a calibration error is mostly chance."""


@dataclass(frozen=True)
class Calibrated:
    """How well probabilities are calibrated at one temperature.

    Attributes
    ----------
    scores : by name (see the module's table), with intervals by group.
    excess : about how much of ``ece`` is due to there being few images; NaN where there is one group.
    reliability : of all classes together.
    classes : of each class on its own, by name; empty for two classes.
    """

    scores: Mapping[str, Interval]
    excess: float
    reliability: Reliability
    classes: Mapping[str, Reliability]


@dataclass(frozen=True)
class Calibration:
    """Calibration before and after a temperature, on the same images and the same resamples.

    Attributes
    ----------
    kind : ``binary``, ``multiclass`` or ``multilabel``.
    temperature : by which logits were divided.
    n : images (or pixels).
    groups : patients, or images where pixels are scored.
    before, after : at a temperature of 1 and at that one.
    change : by name, after minus before, with its paired interval; below 0 is better.
    notes : what a reader must know.
    """

    kind: Kind
    temperature: float
    n: int
    groups: int
    before: Calibrated
    after: Calibrated
    change: Mapping[str, Interval]
    notes: tuple[str, ...] = ()


class CalibrationMeasure:
    """The scores of the module's table as functions of how often each group counts.

    Parameters
    ----------
    outcomes : of N images.
    codes : [N], the group of each image, from 0 without a gap.
    bins : of equal width.
    """

    def __init__(self, outcomes: Outcomes, codes: Codes, bins: int = BINS) -> None:
        self.images = len(codes)
        names = list(outcomes.names)
        edges = equal_width(bins)
        each = list(class_views(outcomes).values())
        whole = [] if outcomes.multilabel else [overall_view(outcomes)]
        self._sums = np.stack([bin_sums(view, codes, edges) for view in [*whole, *each]], axis=1)
        self._classes = names if each else []
        proper = np.column_stack([np.ones(self.images), squared_error(outcomes), _log_loss(outcomes)])
        self._proper = np.stack([np.bincount(codes, weights=column) for column in proper.T], axis=1)

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each score, [S], for counts [G, S] of how often each group counts."""
        n, brier, loss = self._proper.T @ counts
        errors = self._errors(counts)
        each = errors[len(errors) - len(self._classes) :]
        found = {"ece": errors[0] if len(errors) > len(each) else each.mean(axis=0)}
        if len(each) and len(errors) > len(each):
            found["classwise_ece"] = each.mean(axis=0)
        found |= {"brier": brier / n, "nll": loss / n}
        return found | {f"ece_{name}": error for name, error in zip(self._classes, each, strict=True)}

    def _errors(self, counts: Floats) -> Floats:
        """The expected calibration error of each view: [V, S]."""
        groups, views, bins, _ = self._sums.shape
        drawn = (self._sums.reshape(groups, -1).T @ counts).reshape(views, bins, 3, -1)
        sizes, confidence, hits = drawn.transpose(2, 0, 1, 3)
        return np.asarray(np.abs(confidence - hits).sum(axis=1) / sizes.sum(axis=1))


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, kind: Kind, bins: int = BINS) -> float:
    """Return the expected calibration error, from 0 (best) to 1; what is binned depends on the kind.

    Parameters
    ----------
    probabilities, truth, kind : as for :func:`~medgraft.evaluation.forecasts.outcomes_of`, which says what it raises.
    bins : of equal width.
    """
    return _alone("ece", probabilities, truth, kind, bins)


def brier_score(probabilities: ArrayLike, truth: ArrayLike, kind: Kind) -> float:
    """Return the Brier score, 0 being best: binary (p - y)^2, multiclass the sum over classes, multilabel their mean.

    Parameters
    ----------
    probabilities, truth, kind : as for :func:`~medgraft.evaluation.forecasts.outcomes_of`, which says what it raises.
    """
    return _alone("brier", probabilities, truth, kind, 1)


def calibration(
    outcomes: Outcomes,
    temperature: float = 1.0,
    groups: ArrayLike | None = None,
    bootstrap: Bootstrap | None = None,
    bins: int = BINS,
) -> Calibration:
    """Score probabilities as they are, and as they would be at a temperature.

    Parameters
    ----------
    outcomes : from :func:`~medgraft.evaluation.outcomes.read_outcomes`, or of arrays and pixels from
        :func:`~medgraft.evaluation.forecasts.outcomes_of`. Best of images that the temperature was not fitted on.
    temperature : from :func:`~medgraft.evaluation.temperature.fit_temperature`; it is taken as it is, so that no
        interval knows how it would vary with other validation images.
    groups : [N], the patient of each image, or the image of each pixel.
    bootstrap : of the intervals; 2,000 resamples unless told.
    bins : of equal width.

    Raises
    ------
    DataError
        If the temperature is not above 0.
    """
    codes = group_codes(groups, len(outcomes.truth))
    # Numbered without a gap, which a table's part may have.
    codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    cooled = _at_temperature(outcomes, temperature)
    measures = [CalibrationMeasure(found, codes, bins) for found in (outcomes, cooled)]
    strata = np.zeros(codes.max() + 1, np.int64)
    before, after = resample(measures, strata, bootstrap or Bootstrap())
    n = len(codes)
    return Calibration(
        kind=kind_of(outcomes),
        temperature=float(temperature),
        n=n,
        groups=len(strata),
        before=_calibrated(outcomes, before, codes, bins),
        after=_calibrated(cooled, after, codes, bins),
        change={name: after.minus(before, name, n) for name in after.values},
        notes=_notes(len(strata)),
    )


def _at_temperature(outcomes: Outcomes, temperature: float) -> Outcomes:
    probabilities = apply_temperature(outcomes.probabilities, temperature, kind_of(outcomes))
    return Outcomes(outcomes.names, outcomes.multilabel, outcomes.truth, outcomes.decided, probabilities)


def _calibrated(outcomes: Outcomes, found: Resampled, codes: Codes, bins: int) -> Calibrated:
    scores = {name: found.interval(name, len(codes)) for name in found.values}
    inflated = [name for name in scores if name not in PROPER]
    spreads = {name: spread(found.values[name], found.draws[name], found.level) for name in inflated}
    for name, moved in spreads.items():
        scores[name] = Interval(found.values[name], moved.low, moved.high, len(codes), found.level)
    edges = equal_width(bins)

    def table(view: View) -> Reliability:
        return reliability(view, codes, edges, found.level)

    each = {name: table(view) for name, view in class_views(outcomes).items()}
    return Calibrated(scores, spreads["ece"].excess, table(overall_view(outcomes)), each)


def _log_loss(outcomes: Outcomes) -> Floats:
    """[N], the negative logarithm of the probability of the truth; of several labels their mean."""
    logits = logits_of(outcomes.probabilities, kind_of(outcomes))
    if outcomes.multilabel:
        return np.asarray(-log_expit(np.where(outcomes.truth, logits, -logits)).mean(axis=1))
    if outcomes.binary:
        return np.asarray(-log_expit(np.where(outcomes.truth[:, 1], logits, -logits)))
    return np.asarray(-log_softmax(logits, axis=1)[outcomes.truth])


def _alone(name: str, probabilities: ArrayLike, truth: ArrayLike, kind: Kind, bins: int) -> float:
    outcomes = outcomes_of(probabilities, truth, kind)
    measure = CalibrationMeasure(outcomes, np.zeros(len(outcomes.truth), np.int64), bins)
    return float(measure(np.ones((1, 1)))[name][0])


def _notes(groups: int) -> tuple[str, ...]:
    if groups >= FEW:
        return ()
    return (f"{groups} independent images or patients are few for a calibration error: see how much of it is excess.",)
