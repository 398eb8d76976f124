"""Which of several classifiers to take: the best one, or a cheaper one that these images cannot tell from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.errors import listing
from medgraft.report.wording import bounds, count, interval, limits_of, signed_interval, spoken

# A run counts as cheaper where it learns this share of the parameters, or as many in this share of the time.
FEWER, FASTER = 0.9, 0.8

Run = Mapping[str, Any]
Gap = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """The run to take and the sentences that say why; ``name`` is empty where nothing can be said."""

    name: str
    sentences: list[str]


def choose(runs: Sequence[Run], metric: str, n: int, gap: Callable[[str, str], Gap | None]) -> Choice:
    """Choose by one metric, and by cost where the metric cannot tell.

    Parameters
    ----------
    runs : each with ``name``, ``scores``, and where known ``learned`` (parameters) and ``minutes``.
    metric : the score that decides; higher is better.
    n : images that all runs were scored on.
    gap : the paired difference of two runs, first minus second, as ``value``, ``low`` and ``high``; None where it
        is not known.
    """
    scored = [run for run in runs if bounds(run["scores"].get(metric)) is not None]
    if len(scored) < 2:
        which = f"Fewer than two of the runs have a value of {spoken(metric)}"
        return Choice("", [f"{which}, so nothing can be said of which to take."])
    best = max(scored, key=lambda run: float(run["scores"][metric]["value"]))
    others = [run for run in scored if run is not best]
    field = _Field(metric, n, best, others, {run["name"]: gap(best["name"], run["name"]) for run in others})
    beaten = _beaten(field.close, scored, gap)
    cheap = [run for run in field.close if _cheaper(run, best) and run["name"] not in beaten]
    chosen = min(cheap, key=_cost, default=best)
    first = field.take_best() if chosen is best else field.take_cheaper(chosen)
    rest = [field.leads(run) for run in others if run is not chosen and (field.close or len(others) > 1)]
    picked = [_PICKED] if len(others) > 1 else []
    passed_over = [
        f"{run['name']} would be cheaper still, but the lead of {beaten[run['name']][0]} over it is more than noise: "
        f"{signed_interval(beaten[run['name']][1])}."
        for run in field.close
        if run["name"] in beaten and _cheaper(run, chosen)
    ]
    return Choice(chosen["name"], [first, *passed_over, *field.resolution(chosen), *rest, *picked])


def _beaten(
    runs: Sequence[Run], scored: Sequence[Run], gap: Callable[[str, str], Gap | None]
) -> dict[str, tuple[str, Gap]]:
    """Those runs that another one leads by more than noise: that one's name, and its lead."""
    found: dict[str, tuple[str, Gap]] = {}
    for run in runs:
        for other in scored:
            lead = gap(other["name"], run["name"]) if other is not run else None
            if lead is not None and _beyond_noise(lead) and float(lead["value"]) > 0:
                found.setdefault(run["name"], (other["name"], lead))
    return found


_PICKED = "The highest of several scores is likely a little too high, for it was picked on these very images."


@dataclass(frozen=True)
class _Field:
    """The best run among others, with its lead over each (None where it is not known)."""

    metric: str
    n: int
    best: Run
    others: Sequence[Run]
    leads_by: Mapping[str, Gap | None]

    @property
    def close(self) -> list[Run]:
        """The runs that these images cannot tell from the best."""
        return [run for run in self.others if not _beyond_noise(self.leads_by[run["name"]])]

    def take_best(self) -> str:
        name, score = self.best["name"], interval(self.best["scores"][self.metric])
        first = f"Take {name}: its {spoken(self.metric)}, {score}, is the highest"
        if self.close:
            names = listing(run["name"] for run in self.close)
            cheap = "that is not clearly cheaper" if len(self.close) == 1 else "none of them is clearly cheaper"
            return f"{first}; these {self.n} images cannot tell it from {names}, but {cheap}."
        if len(self.others) == 1:
            over = self.others[0]["name"]
            return f"{first}, and its lead over {over} is more than noise: {signed_interval(self.leads_by[over])}."
        return f"{first}, and its lead over each of the others is more than noise."

    def take_cheaper(self, chosen: Run) -> str:
        name, best, lead = chosen["name"], self.best["name"], self.leads_by[chosen["name"]]
        own, high = (interval(run["scores"][self.metric]) for run in (chosen, self.best))
        noise = f"the lead of {signed_interval(lead)} may be noise" if bounds(lead) else "the difference is not known"
        return (
            f"Take {name}: as far as these {self.n} images can tell it is as good as {best}, and it is cheaper. Its "
            f"{spoken(self.metric)} is {own}, that of {best} {high}, and {noise}. {_savings(chosen, self.best)}."
        )

    def leads(self, run: Run) -> str:
        lead = self.leads_by[run["name"]]
        start = f"Lead of {self.best['name']} over {run['name']}"
        if bounds(lead) is None:
            return f"{start}: the difference is not known."
        sure = "more than noise" if _beyond_noise(lead) else "may be noise"
        return f"{start} in {spoken(self.metric)}: {signed_interval(lead)}, {sure}."

    def resolution(self, chosen: Run) -> list[str]:
        """How small a difference these images could have shown, where they could not tell two runs apart."""
        unclear = chosen if chosen is not self.best else next(iter(self.close), None)
        ends = limits_of(self.leads_by[unclear["name"]]) if unclear is not None else None
        if ends is None:
            return []
        return [
            f"Not told apart does not mean equal: on {self.n} images, differences of {spoken(self.metric)} below "
            f"about {(ends[1] - ends[0]) / 2:.2g} do not show."
        ]


def _savings(chosen: Run, best: Run) -> str:
    """What the cheaper of two runs spares, and where it does not."""
    parts = []
    learned, most = chosen.get("learned"), best.get("learned")
    if learned is not None and most is not None and learned < FEWER * most:
        parts.append(f"learned {count(learned)} parameters instead of {count(most)}")
    minutes, longest = chosen.get("minutes"), best.get("minutes")
    if minutes is not None and longest is not None and not math.isclose(minutes, longest, rel_tol=0.05):
        word = "trained in" if minutes < longest else "took longer to train:"
        parts.append(f"{word} {_minutes(minutes)} instead of {_minutes(longest)}")
    return f"It {' and '.join(parts)}"


def _minutes(value: float) -> str:
    return f"{value:.1f} minutes" if value >= 0.1 else f"{60 * value:.1f} seconds"


def _beyond_noise(found: Gap | None) -> bool:
    ends = limits_of(found)
    return ends is not None and not ends[0] <= 0 <= ends[1]


def _cost(run: Run) -> tuple[float, float]:
    learned, minutes = run.get("learned"), run.get("minutes")
    return (math.inf if learned is None else float(learned), math.inf if minutes is None else float(minutes))


def _cheaper(run: Run, than: Run) -> bool:
    """Whether a run learns clearly fewer parameters, or about as many in clearly less time."""
    (learned, minutes), (most, longest) = _cost(run), _cost(than)
    return learned < FEWER * most or (learned * FEWER <= most and minutes < FASTER * longest)
