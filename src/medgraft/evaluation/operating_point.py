"""The threshold from which an image is given a label: chosen on validation images by a rule, the middle of all that are
as good.

Between two neighbouring probabilities every threshold decides alike. A rule finds the stretches in which its criterion
is best; the middle of the widest is taken (of equally wide ones the lowest), so that a probability that changes a
little changes no decision, and the same images always give the same threshold.

Validation images only: a threshold that saw test images makes their scores too good. What is scored here, on the images
that it was chosen on, is too good as well, by less the more there are; score it on test images with
:func:`~medgraft.evaluation.decisions.decision_scores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import DataError, RecipeError, counted, listing
from medgraft.evaluation.decisions import decision_scores
from medgraft.evaluation.forecasts import outcomes_of
from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.threshold_rule import FIXED, LABEL_RULES, ThresholdRule
from medgraft.scores import Interval

Floats = NDArray[np.float64]

FEW = 10
"""Images with, or without, a label below which a threshold is hardly known."""

# Sums of many rates differ in their last digits where they should not.
ROUNDING = 1e-12


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, what it was chosen by, and how good decisions are at it on the images that chose it.

    Attributes
    ----------
    rule : as a user writes it.
    threshold : a label is given (a pixel is foreground) from this probability on.
    low, high : every threshold above ``low``, up to ``high``, is as good on these images; both are the threshold itself
        where it was given as a number.
    n : images.
    scores : at the threshold, by name: of labels those of :mod:`~medgraft.evaluation.decisions`, of masks those of
        :mod:`~medgraft.evaluation.mask_threshold`.
    notes : what a reader must know.
    """

    rule: str
    threshold: float
    low: float
    high: float
    n: int
    scores: Mapping[str, Interval]
    notes: tuple[str, ...] = ()


def choose_threshold(
    probabilities: ArrayLike,
    truth: ArrayLike,
    rule: str | float | ThresholdRule,
    groups: ArrayLike | None = None,
    bootstrap: Bootstrap | None = None,
) -> OperatingPoint:
    """Choose a threshold on arrays of validation images; see :func:`operating_point`.

    Parameters
    ----------
    probabilities : calibrated already, if they are to be. [N] of the positive class or [N, 2] of both; [N, C] where an
        image may have several labels.
    truth : [N] of 0 and 1; [N, C] of 0 and 1 for several labels.
    """
    several = np.ndim(truth) == 2
    if not several and np.ndim(probabilities) == 2 and np.shape(probabilities)[1] > 2:
        raise _no_threshold(np.shape(probabilities)[1])
    outcomes = outcomes_of(probabilities, truth, "multilabel" if several else "binary")
    return operating_point(outcomes, rule, groups, bootstrap)


def operating_point(
    outcomes: Outcomes,
    rule: str | float | ThresholdRule,
    groups: ArrayLike | None = None,
    bootstrap: Bootstrap | None = None,
) -> OperatingPoint:
    """Choose a threshold on validation images.

    Parameters
    ----------
    outcomes : of two classes, or of several labels; what was decided is not looked at. All labels get one threshold:
        sensitivity, specificity and F1 are then means over the labels that some images have and some have not.
    rule : see :class:`~medgraft.evaluation.threshold_rule.ThresholdRule`; for labels ``youden``, ``f1``,
        ``sensitivity=0.9``, ``specificity=0.9``, or a number.
    groups : [N], as for :func:`~medgraft.evaluation.intervals.bootstrap_mean`; for the intervals only.
    bootstrap : of the intervals; 2,000 resamples unless told.

    Raises
    ------
    RecipeError
        If the rule is none, or none for these classes.
    DataError
        If there are no images with and without the label to choose on, or no threshold reaches what is wanted.
    """
    chosen = rule if isinstance(rule, ThresholdRule) else ThresholdRule.parse(rule)
    if not (outcomes.binary or outcomes.multilabel):
        raise _no_threshold(len(outcomes.names))
    if chosen.name == FIXED:
        assert chosen.wanted is not None
        low = high = threshold = chosen.wanted
        notes: tuple[str, ...] = ()
    elif chosen.name in LABEL_RULES:
        curve = _Curve(outcomes)
        low, high = curve.stretch(chosen)
        threshold, notes = _between(low, high), curve.notes
    else:
        raise RecipeError(
            f"the rule {chosen} is for masks; for labels give one of {listing(LABEL_RULES)}, or a number."
        )
    scores = decision_scores(_decided(outcomes, threshold), groups, bootstrap)
    return OperatingPoint(str(chosen), threshold, low, high, len(outcomes.truth), scores, notes)


class _Curve:
    """Sensitivity, specificity and F1 of every threshold that decides differently, [M] each.

    ``uppers`` [M] are the largest threshold of each stretch; the largest one before it is where the stretch begins.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        columns = [1] if outcomes.binary else range(len(outcomes.names))
        with_both = [c for c in columns if 0 < outcomes.truth[:, c].sum() < len(outcomes.truth)]
        if not with_both:
            raise DataError(
                f"a threshold is chosen on images with and without a label; these {len(outcomes.truth)} are all alike. "
                "Give a number as the threshold, or a validation split that has both."
            )
        values = np.unique(outcomes.probabilities[:, with_both])
        # From 0 on everything is given; beyond the largest nothing is.
        self.uppers = np.unique(np.concatenate([values[(values > 0) & (values < 1)], [1.0]]))
        self.sensitivity, self.specificity, self.f1 = (np.zeros(len(self.uppers)) for _ in range(3))
        for c in with_both:
            self._add(outcomes.truth[:, c], outcomes.probabilities[:, c], len(with_both))
        self.notes = _notes(outcomes, columns, with_both)

    def stretch(self, rule: ThresholdRule) -> tuple[float, float]:
        """The widest stretch of thresholds that are best by the rule; of equally wide ones the lowest."""
        best = np.flatnonzero(self._best(rule))
        breaks = np.flatnonzero(np.diff(best) > 1)
        first, last = best[np.r_[0, breaks + 1]], best[np.r_[breaks, len(best) - 1]]
        lows = np.r_[0.0, self.uppers[:-1]][first]
        highs = self.uppers[last]
        widest = int(np.argmax(highs - lows > (highs - lows).max() - ROUNDING))
        return float(lows[widest]), float(highs[widest])

    def _best(self, rule: ThresholdRule) -> NDArray[np.bool_]:
        if rule.name == "youden":
            return _largest(self.sensitivity + self.specificity)
        if rule.name == "f1":
            return _largest(self.f1)
        assert rule.wanted is not None
        own, other = self.sensitivity, self.specificity
        if rule.name == "specificity":
            own, other = other, own
        enough = own >= rule.wanted - ROUNDING
        if not enough.any():
            raise DataError(
                f"no threshold reaches a {rule.name} of {rule.wanted:g} on these images (at most {own.max():.3f}), as "
                "some have a probability of 0 or 1; ask for less."
            )
        most = _largest(np.where(enough, other, -1.0))
        return np.asarray(most & (own >= own[most].max() - ROUNDING))

    def _add(self, truth: NDArray[np.bool_], probabilities: Floats, labels: int) -> None:
        """Add one label's share of the means."""
        up, down = np.sort(probabilities[truth]), np.sort(probabilities[~truth])
        hits = len(up) - np.searchsorted(up, self.uppers, side="left")
        wrong = len(down) - np.searchsorted(down, self.uppers, side="left")
        self.sensitivity += hits / len(up) / labels
        self.specificity += (len(down) - wrong) / len(down) / labels
        self.f1 += 2 * hits / (hits + wrong + len(up)) / labels


def _largest(values: Floats) -> NDArray[np.bool_]:
    return np.asarray(values >= values.max() - ROUNDING)


def _between(low: float, high: float) -> float:
    """The middle, unless it is ``low`` once a model compares it in float32."""
    middle = (low + high) / 2
    return middle if np.float32(middle) > np.float32(low) else high


def _decided(outcomes: Outcomes, threshold: float) -> Outcomes:
    decided = outcomes.probabilities >= threshold
    if outcomes.binary:
        decided[:, 0] = ~decided[:, 1]
    return replace(outcomes, decided=decided)


def _notes(outcomes: Outcomes, columns: list[int] | range, with_both: list[int]) -> tuple[str, ...]:
    notes = []
    alike = [outcomes.names[c] for c in columns if c not in with_both]
    if alike:
        notes.append(f"{listing(alike)}: all images have it or none has; the threshold was chosen on the other labels.")
    for c in with_both:
        there = int(outcomes.truth[:, c].sum())
        rarer = min(there, len(outcomes.truth) - there)
        if rarer < FEW:
            kind = "of" if there == rarer else "that are not of"
            notes.append(f"the threshold rests on {counted(rarer, 'image')} {kind} {outcomes.names[c]}.")
    return tuple(notes)


def _no_threshold(classes: int) -> RecipeError:
    return RecipeError(f"of {classes} classes the most probable is given, so there is no threshold to choose.")
