"""Pairs of ways of training on the same images, tested over seeds and images and corrected for their number.

A study asks one question of each model: what do pretrained weights give, at each number of images, and how much of
that is their statistics? The three gains that answer it are planned before anything is trained. Holm's correction is
over them, all of a model together: the chance that any that is called told from noise is none is at most 0.05. Models
are families of their own, so that another model in the grid changes no answer on the first. All other pairs of a model
(of ``mean_var`` or ``WT-ST-3`` with anything) are a second family: they are looked at because they are there, and what
they cost must not be paid by the question that was asked. Where models are compared, all pairs are one family.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from medgraft.evaluation.multiplicity import holm
from medgraft.evaluation.seeds import SeededDifference, seeded_difference
from medgraft.scores import lower_is_better
from medgraft.studies.bounds import bounds_of
from medgraft.studies.scored import Scored, Way

PAIRS = (("WT", "RI"), ("WT", "ST"), ("ST", "RI"))
"""The gains: all of pretraining; the weights beyond their statistics; the statistics alone."""
Told = Literal["told", "alone", "not", "unknown"]
SURE = 0.05
"""A corrected p below this tells a difference from noise."""


class Family(NamedTuple):
    """Comparisons that are corrected together: gains or other pairs of one model, or pairs of models."""

    kind: Literal["gains", "others", "models"]
    encoder: str = ""
    strategy: str = ""


@dataclass(frozen=True)
class Contrast:
    """How much better one way of training is than another that is the same in all but one thing.

    Attributes
    ----------
    better, worse : the two ways; the names say the order of the subtraction, not what came of it.
    found : the difference over the seeds that both have, positive where ``better`` is the better one, also of scores
        that are the better the lower they are.
    of : seeds of the grid.
    family, comparisons : what it was corrected with, and how many tests these are.
    corrected : p after Holm's correction for them.
    """

    better: Way
    worse: Way
    found: SeededDifference
    of: int
    family: Family
    comparisons: int
    corrected: float

    @property
    def told(self) -> Told:
        """``told`` from noise; ``alone``: only if it were the one comparison made; ``not``; or ``unknown``."""
        if math.isnan(self.corrected):
            return "unknown"
        if self.corrected < SURE:
            return "told"
        return "alone" if self.found.p < SURE else "not"


def contrasts(scored: Scored) -> list[Contrast]:
    """Every pair of initialisations of one encoder, strategy and n; of one initialisation alone, every pair of models.

    The gains are WT minus RI, WT minus ST and ST minus RI; of all other pairs the later in the order of the grid comes
    first.
    """
    seeds = len(scored.cells["seed"].unique())
    pairs = [
        (first, second) if (first.init, second.init) in PAIRS else (second, first)
        for first, second in itertools.combinations(scored.ways, 2)
        if _differ(scored, first, second)
    ]
    found = [_difference(scored, better, worse) for better, worse in pairs]
    families = [_family(scored, better, worse) for better, worse in pairs]
    p = np.array([difference.p for difference in found])
    corrected = np.full(len(found), math.nan)
    tests: dict[Family, int] = {}
    for family in dict.fromkeys(families):
        own = [number for number, each in enumerate(families) if each == family]
        corrected[own] = holm(p[own])
        tests[family] = int((~np.isnan(p[own])).sum())
    return [
        Contrast(better, worse, difference, seeds, family, tests[family], float(value))
        for (better, worse), difference, family, value in zip(pairs, found, families, corrected, strict=True)
    ]


def _family(scored: Scored, better: Way, worse: Way) -> Family:
    if across_models(scored):
        return Family("models")
    planned = (better.init, worse.init) in PAIRS
    return Family("gains" if planned else "others", better.encoder, better.strategy)


def across_models(scored: Scored) -> bool:
    """Whether models are compared, as there is one initialisation alone."""
    return len({way.init for way in scored.ways}) == 1


def _differ(scored: Scored, first: Way, second: Way) -> bool:
    """In that alone which is compared."""
    if across_models(scored):
        return first.n == second.n
    return (first.encoder, first.strategy, first.n) == (second.encoder, second.strategy, second.n)


def _difference(scored: Scored, better: Way, worse: Way) -> SeededDifference:
    one, other = scored.by_seed.get(better, {}), scored.by_seed.get(worse, {})
    seeds = [seed for seed in one if seed in other]
    if not seeds:
        return seeded_difference([], [], np.empty((0, 0)), np.empty((0, 0)))
    sign = -1.0 if lower_is_better(scored.metric) else 1.0
    least, most = bounds_of(scored.metric)
    found = seeded_difference(
        [sign * one[seed] for seed in seeds],
        [sign * other[seed] for seed in seeds],
        np.stack([sign * scored.draws[better][seed] for seed in seeds]),
        np.stack([sign * scored.draws[worse][seed] for seed in seeds]),
    )
    return found.within(least - most, most - least)
