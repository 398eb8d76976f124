"""Shortcuts: can the label be guessed, beyond chance and in patients never seen, from things that are not anatomy?

Each family of traits (:mod:`medgraft.audit.traits`) is judged by cross-validation by group and a permutation test
(:mod:`medgraft.audit.guessing`). Six families are six chances of a false alarm, so p is corrected over them (Holm 1979,
"A simple sequentially rejective multiple test procedure"): of data sets whose labels have nothing to do with any trait,
one in twenty raises an alarm at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.audit.facts import Scan
from medgraft.audit.guessing import area_draws, area_within, deal_folds, guesses, permuted
from medgraft.audit.traits import FAMILIES, traits
from medgraft.scores import Interval

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ALPHA = 0.05
"""Share of data sets without any shortcut in which one may be reported."""
FOLDS = 5
PERMUTATIONS = 199
ENOUGH = 10
"""Permutations that are guessed as well after which no more are made (Besag & Clifford 1991): p is large then."""
DRAWS = 500
MOST = 4000
"""Images that are looked at: of more, whole groups are drawn."""
FEWEST = 10
"""Groups (images, where none are known) with and without a label that are needed to judge it."""

_LEVEL = 0.95
_AT_ONCE = 20
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Shortcut:
    """What one family of traits tells of the label.

    Attributes
    ----------
    family : its name, one of :data:`~medgraft.audit.traits.FAMILIES`.
    auc : area under the ROC curve of the guess, of each class against the rest and averaged over classes, with its
        bootstrap interval by group; 0.5 is chance. NaN where it was not judged.
    p : how often permuted labels are guessed as well, at best 1 / (PERMUTATIONS + 1); NaN where it was not judged.
    beyond_chance : whether p is small enough, with six families looked at.
    features : traits in the family; 0 where all images are alike, and then the guess is chance.
    reason : why it was not judged; empty where it was.
    """

    family: str
    auc: Interval
    p: float
    beyond_chance: bool
    features: int
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Task:
    """Labels that can be judged, and how images are held out."""

    rows: Codes
    targets: Floats
    groups: Codes
    folds: Codes
    seed: int


def find_shortcuts(
    scan: Scan,
    labels: npt.NDArray[Any],
    classes: Sequence[str],
    groups: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> list[Shortcut]:
    """Judge every family of traits.

    Parameters
    ----------
    scan : of all images.
    labels : [n] class indices, or [n, C] of 0 and 1 where an image may have several labels.
    classes : names of the classes, of which index 1 of two is the positive one.
    groups : [n], the patient of each image; None where each image stands for itself.
    seed : of folds, permutations and draws.

    Returns
    -------
    list of Shortcut
        In the order of FAMILIES. Labels that fewer than FEWEST groups have, or lack, are left out.
    """
    task = _task(scan, np.asarray(labels), len(classes), groups, seed)
    if isinstance(task, str):
        nothing = Interval(np.nan, np.nan, np.nan, 0, _LEVEL)
        return [Shortcut(family, nothing, np.nan, False, 0, task) for family in FAMILIES]
    judged = [_judge(traits(scan, family)[task.rows], task, number) for number, family in enumerate(FAMILIES)]
    small = _holm([p for _, p, _ in judged])
    return [
        Shortcut(family, auc, p, alarm, count)
        for family, (auc, p, count), alarm in zip(FAMILIES, judged, small, strict=True)
    ]


def _task(scan: Scan, labels: npt.NDArray[Any], count: int, groups: npt.NDArray[Any] | None, seed: int) -> _Task | str:
    """What is to be guessed among the images that were read; a sentence where that cannot be judged."""
    read = np.flatnonzero(scan.readable)
    codes = np.unique(read if groups is None else np.asarray(groups)[read], return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng([seed, 0])
    rows = _few(codes, rng)
    codes = np.unique(codes[rows], return_inverse=True)[1].astype(np.int64)
    targets = _targets(labels[read[rows]], count)
    unit = "images" if groups is None else "groups (patients)"
    held = [min(len(np.unique(codes[column > 0])), len(np.unique(codes[column == 0]))) for column in targets.T]
    kept = np.array(held) >= FEWEST
    if not kept.any():
        return f"fewer than {FEWEST} {unit} have, or lack, any one label"
    return _Task(rows, targets[:, kept], codes, deal_folds(codes, FOLDS, rng), seed)


def _few(groups: Codes, rng: np.random.Generator) -> Codes:
    """Rows of about MOST images at most, of whole groups."""
    order = rng.permutation(groups.max() + 1) if len(groups) else np.zeros(0, np.int64)
    sizes = np.bincount(groups, minlength=len(order))[order]
    taken = order[np.cumsum(sizes) - sizes < MOST]
    return np.flatnonzero(np.isin(groups, taken))


def _targets(labels: npt.NDArray[Any], count: int) -> Floats:
    """A column for each question; two classes are one question."""
    if labels.ndim == 2:
        return labels.astype(np.float64)
    asked = [1] if count == 2 else range(count)
    return np.stack([labels == index for index in asked], axis=1).astype(np.float64)


def _judge(values: Floats, task: _Task, number: int) -> tuple[Interval, float, int]:
    """The area with its interval, p, and how many traits there are."""
    n, features = values.shape
    if not features:
        return Interval(0.5, 0.5, 0.5, n, _LEVEL), 1.0, 0
    scores = guesses(values, task.targets, task.folds)
    area = _mean(area_within(task.targets, scores, task.folds)[:, None])[0]
    rng = np.random.default_rng([task.seed, 1, number])
    groups = int(task.groups.max()) + 1
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS).T.astype(np.float64)
    questions = zip(task.targets.T > 0, scores.T, strict=True)
    draws = _mean(np.stack([area_draws(*question, task.folds, task.groups, counts) for question in questions]))
    low, high = np.nanquantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    p = _p(area, values, task, np.random.default_rng([task.seed, 2]))
    return Interval(float(area), float(low), float(high), n, _LEVEL), p, features


def _p(area: float, values: Floats, task: _Task, rng: np.random.Generator) -> float:
    """The share of permutations of the labels that are guessed as well; families see the same permutations."""
    as_well = made = 0
    shuffled = permuted(task.targets, task.groups, PERMUTATIONS, rng)
    while some := list(islice(shuffled, _AT_ONCE)):
        side_by_side = np.hstack(some)
        areas = area_within(side_by_side, guesses(values, side_by_side, task.folds), task.folds)
        for reached in _mean(areas.reshape(len(some), -1).T) >= area - _ROUNDING:
            made += 1
            as_well += int(reached)
            if as_well == ENOUGH:
                return as_well / made
    return (1 + as_well) / (1 + made)


def _mean(areas: Floats) -> Floats:
    """The mean over questions, [t] of [questions, t], of those that have an area."""
    defined = ~np.isnan(areas)
    return np.asarray(np.where(defined, areas, 0).sum(axis=0) / np.maximum(1, defined.sum(axis=0)))


def _holm(p: Sequence[float]) -> list[bool]:
    """Which hypotheses fall when ALPHA holds for all of them together."""
    falls = [False] * len(p)
    for place, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] > ALPHA / (len(p) - place):
            break
        falls[index] = True
    return falls
