"""How soon cells learn, and what they cost: epochs and seconds to 95% of the score that they end with.

Of a score that guessing has too, 95% is of the way from there: a model that ends with an AUC of 0.53 has 95% of that
number at 0.51, and so would be near its end before it had learned anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from medgraft.errors import RunError
from medgraft.scores import lower_is_better
from medgraft.studies.folder import Study
from medgraft.studies.scored import Scored, Way, way_of

NEAR = 0.95
"""Of the way from chance to the final validation score: the best of all epochs, as that epoch is kept."""
_GUESSED = {"auc": 0.5}
"""What guessing has; of every other score 0 is where the way begins (so it is of kappa and Dice)."""


class Reached(NamedTuple):
    """When a training was near the validation score that it ends with.

    Attributes
    ----------
    metric : the score.
    epochs, seconds : to :data:`NEAR` of the way, the epochs counted from 1; NaN where it is never above chance.
    all_epochs : of the training that was kept.
    """

    metric: str
    epochs: float
    seconds: float
    all_epochs: int


@dataclass(frozen=True)
class Speed:
    """How soon one cell was near the validation score that it ends with."""

    cell: str
    way: Way
    seed: int
    reached: Reached


@dataclass(frozen=True)
class Cost:
    """What the cells of one way of training took.

    Attributes
    ----------
    seconds : by cell in the mean, all trials of rates and the evaluation together; NaN where none is finished.
    rates : how many cells kept which learning rate.
    epochs, near_seconds : means of :class:`Reached`; NaN where there is none.
    timed : cells with a :class:`Speed`.
    never : those of them that are never above chance, and so in no mean.
    """

    way: Way
    cells: int
    seconds: float
    rates: Mapping[float, int]
    epochs: float
    near_seconds: float
    timed: int
    never: int


def chance_level(metric: str) -> float:
    """The score of a guess, where the way to the final score begins."""
    return next((value for name, value in _GUESSED.items() if metric == name or metric.startswith(f"{name}_")), 0.0)


def speed_of(history: Sequence[Mapping[str, Any]], metric: str) -> Reached | None:
    """Epochs and seconds to 95% of the way from chance to the score of the epoch that was kept.

    Of a score that is the better the lower it is, the first to be no more than 1 / 0.95 of the final one.

    Parameters
    ----------
    history : the lines of ``history.jsonl``. The score is ``metric`` where validation has it in each epoch, else the
        one that was watched.

    Returns
    -------
    None where no epochs were trained (a head that was solved at once has none), or the score is undefined in them.
    """
    lines = [line for line in history if "penalty" not in line and line.get("val")]
    if not lines:
        return None
    name = metric if all(metric in line["val"] for line in lines) else str(lines[0]["monitor"])
    values = [math.nan if line["val"].get(name) is None else float(line["val"][name]) for line in lines]
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return None
    low = lower_is_better(name)
    final = min(defined) if low else max(defined)
    chance = chance_level(name)
    if not low and final <= chance:
        return Reached(name, math.nan, math.nan, len(lines))
    limit = final / NEAR if low else chance + NEAR * (final - chance)
    place = next(k for k, value in enumerate(values) if (value <= limit if low else value >= limit))
    return Reached(name, place + 1, sum(float(line["seconds"]) for line in lines[: place + 1]), len(lines))


def speeds(study: Study, scored: Scored) -> list[Speed]:
    """Of every finished cell that learned by epochs and whose history can be read."""
    found = []
    for row in scored.cells[scored.cells["status"] == "finished"].to_dict("records"):
        try:
            speed = speed_of(study.run(row["id"]).history, scored.metric)
        except (RunError, OSError, ValueError, KeyError, TypeError):
            continue
        if speed is not None:
            found.append(Speed(row["id"], way_of(row), int(row["seed"]), speed))
    return found


def costs(scored: Scored, timed: Sequence[Speed]) -> list[Cost]:
    """What each way of training took, in the order of the grid."""
    found = []
    for way in scored.ways:
        cells = scored.of(way)
        done = cells[cells["status"] == "finished"]
        own = [speed.reached for speed in timed if speed.way == way]
        near = [reached for reached in own if not math.isnan(reached.epochs)]
        rates = dict(sorted(Counter(float(rate) for rate in done["lr"].dropna()).items()))
        found.append(
            Cost(
                way, len(done), float(done["seconds"].mean()), rates,
                _mean([reached.epochs for reached in near]), _mean([reached.seconds for reached in near]), len(own),
                len(own) - len(near),
            )
        )  # fmt: skip
    return found


def at_the_edge(found: Sequence[Cost], rates: Sequence[float]) -> tuple[int, int]:
    """How many cells kept the lowest and the highest of the rates that were tried; 0 where there was one rate."""
    if len(set(rates)) < 2:
        return 0, 0
    kept = [(rate, many) for cost in found for rate, many in cost.rates.items()]
    lowest = sum(many for rate, many in kept if math.isclose(rate, min(rates)))
    return lowest, sum(many for rate, many in kept if math.isclose(rate, max(rates)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
