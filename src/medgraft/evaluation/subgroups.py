"""Scores of parts of the images (women and men, young and old, this scanner and that), and their gaps to the rest.

A subgroup is compared with all other images, not with the whole that it is part of. Both are scored on the same
resamples. Patients whose images are all in the subgroup, those with none in it, and those with some are drawn each to
their own number. So where patients lie on one side the comparison is unpaired, and patients on both sides (two views of
one person) are drawn with all of their images, which pairs it as far as they do.

Scores that are means over classes are compared only where the subgroup and the rest have images of the same classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgraft.errors import counted, listing
from medgraft.evaluation.intervals import group_codes, group_column
from medgraft.evaluation.resampling import Bootstrap, Resampled, resample
from medgraft.evaluation.subgroup_measures import Part, Scorer, scorer_of
from medgraft.evaluation.subgroup_values import By, subgroup_values
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Scored = tuple[Part, Resampled]

FEW_IMAGES = 20
FEW_OF_A_CLASS = 10


@dataclass(frozen=True)
class Subgroup:
    """One subgroup.

    Attributes
    ----------
    name : its value, or range of values.
    images, groups : how many images, and how many patients (images, where no patient is known).
    counts : images of each class; empty for masks.
    small : a sentence where there are too few images to rely on: under 20, or under 10 of a class (of several labels,
        with the label); empty otherwise.
    scores : by metric, with intervals; without ends where there is one patient.
    gaps : by metric, the subgroup minus the rest, with the interval of that difference; empty where there is no rest.
    """

    name: str
    images: int
    groups: int
    counts: Mapping[str, int]
    small: str
    scores: Mapping[str, Interval]
    gaps: Mapping[str, Interval]


@dataclass(frozen=True)
class SubgroupScores:
    """Scores by the values of one column.

    Attributes
    ----------
    column : that the subgroups are by.
    cut : how they were made: ``values``, ``quartiles`` or ``cut points``.
    images : of all subgroups.
    shared : patients with images in several subgroups.
    subgroups : in their order; images without a value come last, as ``(missing)``.
    notes : what a reader must know.
    """

    column: str
    cut: str
    images: int
    shared: int
    subgroups: tuple[Subgroup, ...]
    notes: tuple[str, ...]


def subgroup_scores(
    table: pd.DataFrame,
    by: str | By,
    multilabel: bool | None = None,
    threshold: float | None = None,
    bootstrap: Bootstrap | None = None,
) -> SubgroupScores:
    """Score the subgroups of one split's images.

    Parameters
    ----------
    table : rows of ``predictions.csv`` of one split, with the column that is asked for. Of labels ``target``,
        ``p_<class>`` and ``predicted``; of masks the metrics; ``group`` where patients are known.
    by : a column; numbers are cut at quartiles, or where ``age=40,60`` says.
    multilabel : whether an image may have several labels; None: as the table looks.
    threshold : from which a label is given; None: what was decided stands in ``predicted``.
    bootstrap : of the intervals; 2,000 resamples unless told.

    Raises
    ------
    DataError
        If the table lacks the column, or it cannot make subgroups.
    RunError
        If the table lacks what it is scored by.
    """
    asked = by if isinstance(by, By) else By.parse(by)
    values, scorer = subgroup_values(table, asked), scorer_of(table, multilabel, threshold)
    codes = np.unique(group_codes(group_column(table), len(table)), return_inverse=True)[1].astype(np.int64)
    sides = [values.codes == index for index in range(len(values.names))]
    resampled = _resampled(sides, scorer, codes, bootstrap or Bootstrap())
    found = tuple(
        _subgroup(name, inside, scorer, codes, pair)
        for name, inside, pair in zip(values.names, sides, resampled, strict=True)
    )
    pairs = np.unique(np.stack([codes, values.codes]), axis=1)
    shared = int((np.bincount(pairs[0]) > 1).sum())
    return SubgroupScores(asked.column, values.cut, len(table), shared, found, _notes(found, shared, scorer, sides))


def _resampled(sides: list[Flags], scorer: Scorer, codes: Codes, bootstrap: Bootstrap) -> list[list[Scored]]:
    """For each subgroup its scores and, if there is one, the rest's, on the same resamples."""
    found = []
    # Of two subgroups each is the other's rest.
    for inside in sides[:1] if len(sides) == 2 else sides:
        parts = [Part(scorer, side, codes) for side in (inside, ~inside) if side.any()]
        found.append(list(zip(parts, resample(parts, _strata(inside, codes), bootstrap), strict=True)))
    return [found[0], found[0][::-1]] if len(sides) == 2 else found


def _subgroup(name: str, inside: Flags, scorer: Scorer, codes: Codes, resampled: list[Scored]) -> Subgroup:
    (part, own), *rest = resampled
    groups = [len(np.unique(codes[side])) for side in (inside, ~inside)]
    images, counts = int(inside.sum()), scorer.counts(inside)
    scores = {metric: _known(part.interval(metric, own), groups[0] > 1) for metric in own.values}
    gaps = {}
    for _, other in rest:
        for metric in own.values:
            gap = _gap(own, other, metric, scores[metric].n, scorer.comparable(metric, inside))
            gaps[metric] = _known(gap, min(groups) > 1)
    return Subgroup(name, images, groups[0], counts, _small(images, counts), scores, gaps)


def _strata(inside: Flags, codes: Codes) -> Codes:
    """[G]: 1 where all images of the group are inside, 2 where none is, 3 where some are."""
    there, elsewhere = (np.bincount(codes[side], minlength=int(codes.max()) + 1) > 0 for side in (inside, ~inside))
    return (there + 2 * elsewhere).astype(np.int64)


def _gap(own: Resampled, rest: Resampled, metric: str, n: int, comparable: bool) -> Interval:
    if not comparable:
        return Interval(math.nan, math.nan, math.nan, 0, own.level)
    return own.minus(rest, metric, n)


def _known(interval: Interval, several: bool) -> Interval:
    """The interval, without its ends where one group leaves nothing to draw from."""
    return interval if several else replace(interval, low=math.nan, high=math.nan)


def _small(images: int, counts: Mapping[str, int]) -> str:
    few = [f"{counted(count, 'image')} of {name}" for name, count in counts.items() if count < FEW_OF_A_CLASS]
    if images < FEW_IMAGES:
        return f"only {counted(images, 'image')}"
    return f"only {listing(few, 3)}" if few else ""


def _notes(found: tuple[Subgroup, ...], shared: int, scorer: Scorer, sides: list[Flags]) -> tuple[str, ...]:
    if len(found) == 1:
        return (f"all images are in one subgroup ({found[0].name}), so there is nothing to compare.",)
    gaps = 1 if len(found) == 2 else len(found)
    notes = [
        f"{counted(gaps, 'gap')} of each score {'is' if gaps == 1 else 'are'} looked at, and intervals are not "
        "corrected for that: where nothing differs, one in 20 leaves out 0 by chance."
    ]
    small = [subgroup.name for subgroup in found if subgroup.small]
    if small:
        notes.append(f"too few images to rely on: {listing(small)}.")
    if shared:
        notes.append(f"{counted(shared, 'patient')} with images in several subgroups are drawn with all of them.")
    apart = [
        subgroup.name
        for subgroup, side in zip(found, sides, strict=True)
        if not all(scorer.comparable(metric, side) for metric in subgroup.scores)
    ]
    if apart:
        notes.append(f"{listing(apart)}: other classes than the rest has, so means over classes are not compared.")
    return tuple(notes)
