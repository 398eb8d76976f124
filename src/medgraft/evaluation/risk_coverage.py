"""What if the least certain images go to a person? The risk on those that the model keeps, against their share.

Images are put in order of uncertainty, and the risk (1 for a wrong label, 1 - Dice for a mask) is averaged over the
most certain of them: over all (coverage 1), over 90%, and so on (El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017). The
area under that curve, ``aurc``, is the mean over k of the mean risk of the most certain k images, k from 1 to N. It is
the smaller the better the model, and the better its uncertainty; ``excess`` takes away the area of the best order that
there could be for the same risks, so it is about the uncertainty alone (Geifman, Uziel & El-Yaniv 2019). A useless
uncertainty keeps the risk as it is at every coverage, and its area is the risk itself.

Images that are equally uncertain have no order: each of them counts with their mean risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import DataError, RunError, counted, listing
from medgraft.evaluation.intervals import group_codes, group_column
from medgraft.evaluation.outcomes import class_names, is_multilabel, read_outcomes
from medgraft.evaluation.resampling import Bootstrap, resample
from medgraft.evaluation.uncertainty import UNCERTAINTIES, label_uncertainty
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# 0.3 and 1 - 0.7 are equally uncertain.
ROUNDING = 1e-12

COVERAGES: tuple[float, ...] = tuple(step / 20 for step in range(1, 21))
"""Shares of images that are kept: 0.05 to 1."""


@dataclass(frozen=True)
class CoveragePoint:
    """One point of the curve.

    Attributes
    ----------
    coverage : the share of images that the model keeps.
    risk : their mean risk, with its interval; ``n`` is how many there are, the last perhaps in part.
    limit : the uncertainty of the least certain image that is kept: what is above it goes to a person.
    """

    coverage: float
    risk: Interval
    limit: float


@dataclass(frozen=True)
class RiskCoverage:
    """A risk-coverage curve.

    Attributes
    ----------
    uncertainty, risk : in words, what images are ordered by, and what is averaged.
    n : images.
    points : of the curve, coverage rising to 1.
    aurc : the area under the curve, with its interval.
    best : the area of the best order of the same risks.
    excess : aurc minus best; 0 where the uncertainty puts every worse image after every better one.
    gain : the risk of all images minus aurc, which is what a useless order would give; above 0 is of use.
    notes : what a reader must know.
    """

    uncertainty: str
    risk: str
    n: int
    points: tuple[CoveragePoint, ...]
    aurc: Interval
    best: Interval
    excess: Interval
    gain: Interval
    notes: tuple[str, ...] = ()

    def at(self, coverage: float) -> CoveragePoint:
        """Return the point of the curve that is nearest to a coverage."""
        return min(self.points, key=lambda point: abs(point.coverage - coverage))


def risk_coverage(
    risk: ArrayLike,
    uncertainty: ArrayLike,
    groups: ArrayLike | None = None,
    bootstrap: Bootstrap | None = None,
    names: tuple[str, str] = ("uncertainty", "risk"),
) -> RiskCoverage:
    """Return the risk-coverage curve of images.

    Parameters
    ----------
    risk : [N], of each image, such as 1 where it is wrong and 0 where it is right.
    uncertainty : [N], higher for what is less certain. It must not know the truth.
    groups : [N], as for :func:`~medgraft.evaluation.intervals.bootstrap_mean`.
    bootstrap : of the intervals; 2,000 resamples unless told.
    names : what uncertainty and risk are, for readers.

    Raises
    ------
    DataError
        If there is no image, lengths differ or a value is undefined.
    """
    risks, unsure = _column(names[1], risk), _column(names[0], uncertainty)
    if len(risks) != len(unsure) or not len(risks):
        raise DataError(f"a risk and an uncertainty for each image are wanted (got {len(risks)} and {len(unsure)}).")
    codes = np.unique(group_codes(groups, len(risks)), return_inverse=True)[1].astype(np.int64)
    measure = RiskMeasure(risks, unsure, codes)
    (found,) = resample([measure], np.zeros(codes.max() + 1, np.int64), bootstrap or Bootstrap())
    n, ordered = len(risks), np.sort(unsure)
    points = []
    for coverage in COVERAGES:
        kept = max(1, int(np.ceil(coverage * n - 1e-9)))
        points.append(CoveragePoint(coverage, found.interval(_at(coverage), kept), float(ordered[kept - 1])))
    areas = {name: found.interval(name, n) for name in ("aurc", "best", "excess", "gain")}
    return RiskCoverage(names[0], names[1], n, tuple(points), **areas, notes=_notes(ordered, names[0]))


def table_risk_coverage(
    table: pd.DataFrame,
    uncertainty: str | None = None,
    metric: str = "dice",
    threshold: float | None = None,
    bootstrap: Bootstrap | None = None,
) -> RiskCoverage:
    """Return the risk-coverage curve of rows of ``predictions.csv`` of one split.

    Parameters
    ----------
    table : of labels ``target``, ``predicted`` and ``p_<class>``; the risk is 1 where the decision (of several labels,
        any of them) is wrong. Of masks the metric; the risk is 1 - metric. ``group`` where patients are known.
    uncertainty : a column, such as the disagreement of an ensemble, or of labels ``confidence``, ``entropy`` or
        ``margin``. None: ``confidence`` of labels, the column ``uncertainty`` of masks.
    metric : of masks, from 0 to 1, 1 being best; images where it is undefined are left out.
    threshold : from which a label is given; None: what was decided stands in ``predicted``, and ``margin`` is to 0.5.
    bootstrap : of the intervals; 2,000 resamples unless told.

    Raises
    ------
    RunError
        If a column is missing.
    DataError
        If no image is left, or an uncertainty is undefined.
    RecipeError
        If the uncertainty has no meaning for these classes.
    """
    names = class_names(table.columns)
    if names:
        how = uncertainty or UNCERTAINTIES[0]
        outcomes = read_outcomes(table, names, is_multilabel(table, names), threshold)
        usual = 0.5 if threshold is None else threshold
        unsure = table[how] if how in table.columns else label_uncertainty(outcomes, how, usual)
        return risk_coverage(1.0 - outcomes.correct, unsure, group_column(table), bootstrap, (how, "error"))
    how = uncertainty or "uncertainty"
    missing = [column for column in (how, metric) if column not in table.columns]
    if missing:
        raise RunError(f"no column {listing(missing)} among the predictions; there are {listing(table.columns, 20)}.")
    rows = table[table[metric].notna()]
    return risk_coverage(1 - rows[metric], rows[how], group_column(rows), bootstrap, (how, f"1 - {metric}"))


class RiskMeasure:
    """Areas and points of the curve as functions of how often each group counts.

    Parameters
    ----------
    risk, uncertainty : [N].
    codes : [N], the group of each image, from 0 without a gap.
    """

    def __init__(self, risk: Floats, uncertainty: Floats, codes: Codes) -> None:
        self.images = len(risk)
        self._own, self._best = _Order(risk, uncertainty, codes), _Order(risk, risk, codes)

    def __call__(self, counts: Floats) -> dict[str, Floats]:
        """Return each figure, [S], for counts [G, S] of how often each group counts."""
        own, best = self._own.running(counts), self._best.running(counts)
        area, least = _area(*own), _area(*best)
        areas = {"aurc": area, "best": least, "excess": area - least, "gain": own[1][-1] / own[0][-1] - area}
        return areas | dict(zip(map(_at, COVERAGES), _risks(*own), strict=True))


class _Order:
    """Images in order of a key; those with an equal one are a block."""

    def __init__(self, risk: Floats, key: Floats, codes: Codes) -> None:
        order = np.argsort(key, kind="stable")
        self._codes, self._risk = codes[order], risk[order]
        self._starts = np.flatnonzero(np.r_[True, np.diff(key[order]) > ROUNDING * np.abs(key).max()])

    def running(self, counts: Floats) -> tuple[Floats, Floats]:
        """How many images there are up to the end of each block, and the sum of their risks: [B + 1, S], from 0."""
        weights = counts[self._codes]
        return self._up_to(weights), self._up_to(weights * self._risk[:, None])

    def _up_to(self, values: Floats) -> Floats:
        if len(self._starts) < len(values):
            values = np.add.reduceat(values, self._starts)
        sums = np.zeros((len(values) + 1, values.shape[1]))
        np.cumsum(values, axis=0, out=sums[1:])
        return sums


def _area(reached: Floats, risks: Floats) -> Floats:
    """Mean over k of the mean risk of the first k images, [S].

    Within a block of w images of mean risk r, after W images of summed risk R, the sum over its images of
    (R + i r) / (W + i), i from 1 to w, is w r + (R - W r) (H(W + w) - H(W)), H being the harmonic numbers.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(reached[-1].max()) + 1))])
    steps = np.diff(harmonic[reached.astype(np.int64)], axis=0)
    weights, sums = np.diff(reached, axis=0), np.diff(risks, axis=0)
    mean = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    return np.asarray((risks[-1] + ((risks[:-1] - reached[:-1] * mean) * steps).sum(axis=0)) / reached[-1])


def _risks(reached: Floats, risks: Floats) -> Floats:
    """Mean risk of the most certain share of images, the last of them perhaps in part: [coverages, S]."""
    kept = np.outer(reached[-1], COVERAGES)
    # Within a block the summed risk rises evenly, so that between its ends it is a straight line.
    lines = zip(kept, np.ascontiguousarray(reached.T), np.ascontiguousarray(risks.T), strict=True)
    return np.asarray(np.stack([np.interp(*line) for line in lines]).T / kept.T)


def _at(coverage: float) -> str:
    return f"risk at {coverage:g}"


def _column(what: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise DataError(f"{what}: one number an image is wanted; {int((~np.isfinite(found)).sum())} are undefined.")
    return found


def _notes(ordered: Floats, name: str) -> tuple[str, ...]:
    different = len(np.unique(ordered))
    if different > len(ordered) / 2:
        return ()
    return (f"{name} has {counted(different, 'different value')} of {len(ordered)} images; equal ones have no order.",)
