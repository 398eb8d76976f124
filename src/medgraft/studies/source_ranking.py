"""The sources of a comparison from best to worst, with intervals, and how well scores before training foretold it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np

from medgraft.evaluation.rank_agreement import RankAgreement, rank_agreement
from medgraft.evaluation.seeds import SeededDifference, seeded_difference
from medgraft.scores import lower_is_better
from medgraft.studies.bounds import bounds_of
from medgraft.studies.contrasts import Contrast
from medgraft.studies.foretold import SCORES
from medgraft.studies.naming import told_apart
from medgraft.studies.scored import Scored, Way

Standing = Literal["best", "level", "alone", "behind", "unknown"]
_STANDING: Mapping[str, Standing] = {"told": "behind", "alone": "alone", "not": "level", "unknown": "unknown"}
_LEVEL = 0.95


@dataclass(frozen=True)
class Placed:
    """A source in the ranking at one number of training images.

    Attributes
    ----------
    way : its cells; ``name`` is the source as a page shows it.
    score : the mean test score with its interval over seeds and test images.
    behind : the best less this one, over the seeds that both have, positive where this one is worse; None for the best.
    corrected : p of that after Holm's correction for every pair of sources and number of images.
    standing : ``best``; ``level``: not told from the best; ``alone``: only if it were the one comparison; ``behind``;
        or ``unknown``.
    finished, of : seeds all of whose folds are finished, and that there are.
    seconds : a cell, in the mean.
    """

    way: Way
    name: str
    score: SeededDifference
    behind: SeededDifference | None
    corrected: float
    standing: Standing
    finished: int
    of: int
    seconds: float


@dataclass(frozen=True)
class Foretold:
    """What one score said before training, at one number of images.

    Attributes
    ----------
    score : its name in :data:`~medgraft.studies.foretold.SCORES`.
    values : by source, its mean over seeds and folds, best first.
    agreement : with the ranking that was measured.
    choice : the source that it puts first.
    """

    score: str
    values: Mapping[str, float]
    agreement: RankAgreement
    choice: str


def ranking(scored: Scored, found: Sequence[Contrast], n: str) -> list[Placed]:
    """The sources that have a score at a number of training images, the best first."""
    names = told_apart(way.encoder for way in scored.ways)
    sign = -1.0 if lower_is_better(scored.metric) else 1.0
    ways = [way for way in scored.ways if way.n == n and scored.by_seed.get(way)]
    order = sorted(ways, key=lambda way: -sign * fmean(scored.by_seed[way].values()))
    return [_placed(scored, found, way, order[0], names[way.encoder], sign) for way in order]


def _placed(scored: Scored, found: Sequence[Contrast], way: Way, best: Way, name: str, sign: float) -> Placed:
    behind, corrected, standing = _behind(found, way, best)
    return Placed(
        way, name, _mean(scored, way), behind, corrected, standing, len(scored.by_seed[way]),
        scored.cells["seed"].nunique(), float(scored.of(way)["seconds"].mean()),
    )  # fmt: skip


def _mean(scored: Scored, way: Way) -> SeededDifference:
    """The mean score: its difference from nothing. The interval ends where the score does."""
    values = list(scored.by_seed[way].values())
    draws = np.stack(list(scored.draws[way].values()))
    found = seeded_difference(values, np.zeros(len(values)), draws, np.zeros_like(draws), _LEVEL)
    return found.within(*bounds_of(scored.metric))


def _behind(found: Sequence[Contrast], way: Way, best: Way) -> tuple[SeededDifference | None, float, Standing]:
    """By how much the best is better, as the study's contrasts say it."""
    if way == best:
        return None, math.nan, "best"
    for each in found:
        if (each.better, each.worse) == (best, way):
            return each.found, each.corrected, _STANDING[each.told]
        if (each.better, each.worse) == (way, best):
            one = each.found
            turned = SeededDifference(**{**vars(one), "value": -one.value, "low": -one.high, "high": -one.low})
            return turned, each.corrected, _STANDING[each.told]
    raise ValueError(f"no contrast of {way} and {best}")


def foretold(scored: Scored, entries: Sequence[Mapping[str, Any]], placed: Sequence[Placed]) -> list[Foretold]:
    """Every score beside the ranking; sources that lack the score, or a seed that others have, are left out of it."""
    found = [_foretold(scored, entries, placed, score) for score in SCORES]
    return [each for each in found if each is not None]


def _foretold(
    scored: Scored, entries: Sequence[Mapping[str, Any]], placed: Sequence[Placed], score: str
) -> Foretold | None:
    by_seed = {each.way: _by_seed(scored, entries, each.way, score) for each in placed}
    ways = {each.way: each.name for each in placed if by_seed[each.way]}
    if not ways:
        return None
    means = {way: fmean(by_seed[way].values()) for way in ways}
    order = sorted(ways, key=lambda way: -means[way])
    seeds = [seed for seed in scored.by_seed[order[0]] if all(seed in by_seed[way] for way in ways)]
    agreement = _agreement(scored, by_seed, list(ways), seeds)
    return Foretold(score, {ways[way]: means[way] for way in order}, agreement, ways[order[0]])


def _by_seed(scored: Scored, entries: Sequence[Mapping[str, Any]], way: Way, score: str) -> dict[int, float]:
    """The score on each seed's training images, the mean over folds; nothing where it is undefined on any."""
    own = [entry for entry in entries if entry["encoder"] == way.encoder and entry["n"] == way.n]
    values: dict[int, list[float | None]] = {seed: [] for seed in scored.by_seed[way]}
    for entry in own:
        for seed in values if entry["seed"] is None else [entry["seed"]]:
            if seed in values:
                values[seed].append((entry.get("scores") or {}).get(score))
    if any(not found or None in found for found in values.values()):
        return {}
    return {seed: fmean(value for value in found if value is not None) for seed, found in values.items()}


def _agreement(
    scored: Scored, by_seed: Mapping[Way, Mapping[int, float]], ways: Sequence[Way], seeds: Sequence[int]
) -> RankAgreement:
    sign = -1.0 if lower_is_better(scored.metric) else 1.0
    if not seeds:
        nothing = np.empty((0, 1))
        return rank_agreement(nothing, nothing[:, :, None], nothing)
    real = np.array([[sign * scored.by_seed[way][seed] for seed in seeds] for way in ways])
    draws = np.stack([np.stack([sign * scored.draws[way][seed] for seed in seeds]) for way in ways])
    return rank_agreement(real, draws, np.array([[by_seed[way][seed] for seed in seeds] for way in ways]))
