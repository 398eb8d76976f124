"""Pairs of ways of training on the same images, tested over seeds and images and corrected for their number."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medgraft.evaluation.multiplicity import holm
from medgraft.evaluation.seeds import SeededDifference, seeded_difference
from medgraft.scores import lower_is_better
from medgraft.studies.scored import Scored, Way

Told = Literal["told", "alone", "not", "unknown"]
SURE = 0.05
"""A corrected p below this tells a difference from noise."""


@dataclass(frozen=True)
class Contrast:
    """How much better one way of training is than another that is the same in all but one thing.

    Attributes
    ----------
    better, worse : the two ways; the names say the order of the subtraction, not what came of it.
    found : the difference over the seeds that both have, positive where ``better`` is the better one, also of scores
        that are the better the lower they are.
    of : seeds of the grid.
    corrected : p after Holm's correction for all contrasts of the study.
    """

    better: Way
    worse: Way
    found: SeededDifference
    of: int
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

    The later of a pair in the order of the grid comes first: WT minus RI, where the grid has RI, ST, WT.
    """
    seeds = len(scored.cells["seed"].unique())
    pairs = [
        (second, first) for first, second in itertools.combinations(scored.ways, 2) if _differ(scored, first, second)
    ]
    found = [_difference(scored, better, worse) for better, worse in pairs]
    corrected = holm([difference.p for difference in found]) if found else np.empty(0)
    return [
        Contrast(better, worse, difference, seeds, float(p))
        for (better, worse), difference, p in zip(pairs, found, corrected, strict=True)
    ]


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
    return seeded_difference(
        [sign * one[seed] for seed in seeds],
        [sign * other[seed] for seed in seeds],
        np.stack([sign * scored.draws[better][seed] for seed in seeds]),
        np.stack([sign * scored.draws[worse][seed] for seed in seeds]),
    )
