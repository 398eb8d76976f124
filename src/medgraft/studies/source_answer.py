"""What a comparison of sources says, in sentences: which one to take, which are as good, and what foretold it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from medgraft.errors import counted
from medgraft.evaluation.rank_agreement import LEAST, RankAgreement
from medgraft.report.wording import count, is_distance, metric_name, signed, spoken
from medgraft.studies.cell import ALL
from medgraft.studies.foretold import SCORES
from medgraft.studies.source_ranking import Foretold, Placed

_EXACT = 5040
LOSS = 0.1
"""A source whose interval reaches a greater loss is not called as good, though it is not told from the best."""
BLIND = 0.3
"""Half an interval as wide as this tells nothing that matters of a score from 0 to 1."""


def answers(
    placed: Mapping[str, Sequence[Placed]],
    told: Mapping[str, Sequence[Foretold]],
    parameters: Mapping[str, int],
    metric: str,
) -> list[str]:
    """A sentence or two on the most images, then one for each smaller number, then what foretold it.

    Parameters
    ----------
    placed, told : by number of images, the most first.
    parameters : by source, as far as they are known.
    """
    sizes = [n for n, rows in placed.items() if rows]
    if not sizes:
        return ["No source is finished, so there is nothing to rank yet."]
    several = len(placed) > 1
    said = [_take(placed[n], _where(n) if several else "", metric, k == 0) for k, n in enumerate(sizes)]
    smaller = _smaller(placed[sizes[0]], parameters, metric)
    said[0] += f" {smaller}" if smaller else ""
    probe = next((each for each in told[sizes[0]] if each.score == "probe"), None)
    return [*said, *([_foretelling(probe, placed[sizes[0]])] if probe else [])]


def _where(n: str) -> str:
    return "With all images" if n == ALL else f"With {counted(int(n), 'image')}"


def _take(rows: Sequence[Placed], where: str, metric: str, first: bool) -> str:
    best, *others = rows
    word = metric_name(metric) if metric in ("dice", "jaccard") else spoken(metric)
    score = f"{word} {best.score.value:.3f}{_ends(best.score.low, best.score.high)}"
    opening = f"{where} take" if where and first else "Take" if first else f"{where} it is"
    if not others:
        return f"{opening} {best.name}: {score}. No other source is finished, so it is compared with nothing."
    clauses = [f"{opening} {best.name}: {score}, the best mean of {len(rows)} sources"]
    for own, verdict in _verdicts(others, metric):
        if own:
            known = _and([f"{each.name} ({_less(each)})" for each in own])
            clauses.append(f"{known} {verdict[len(own) > 1]}")
    return "; ".join(clauses) + "." + _resolution(others, metric)


def _verdicts(others: Sequence[Placed], metric: str) -> list[tuple[list[Placed], tuple[str, str]]]:
    """The others by what is said of them, of one and of several."""
    level = [each for each in others if each.standing == "level"]
    good = [each for each in level if _at_most(each, metric) <= LOSS]
    once = "would be behind if this were the one comparison made"
    return [
        (good, ("is as good within noise", "are as good within noise")),
        ([each for each in level if each not in good], ("cannot be told from it",) * 2),
        ([each for each in others if each.standing == "alone"], (once, once)),
        ([each for each in others if each.standing == "behind"], ("is behind beyond noise", "are behind beyond noise")),
        ([each for each in others if each.standing == "unknown"], ("cannot be compared",) * 2),
    ]


def _at_most(each: Placed, metric: str) -> float:
    """What is lost by taking this source, by the upper end of its interval; no share where the score is a length."""
    if each.behind is None:
        return 0.0
    return math.inf if is_distance(metric) or math.isnan(each.behind.high) else each.behind.high


def _resolution(others: Sequence[Placed], metric: str) -> str:
    """How small a difference the test images can tell at all: half an interval, in the median."""
    halves = [(each.behind.high - each.behind.low) / 2 for each in others if each.behind is not None]
    known = [half for half in halves if not math.isnan(half)]
    if not known or all(each.standing == "behind" for each in others):
        return ""
    if median(known) > BLIND and not is_distance(metric):
        return " So few trainings and test images tell hardly any difference."
    return f" Differences below about {median(known):.2g} cannot be told here."


def _less(each: Placed) -> str:
    return signed(-each.behind.value if each.behind else math.nan)


def _smaller(rows: Sequence[Placed], parameters: Mapping[str, int], metric: str) -> str:
    """The smallest of those that are as good as the best; empty where that is the best itself, or nothing is known."""
    if rows[0].way.encoder not in parameters:
        return ""
    good = [
        each
        for each in rows
        if each.standing in ("best", "level") and each.way.encoder in parameters and _at_most(each, metric) <= LOSS
    ]
    least = min(good, key=lambda each: parameters[each.way.encoder])
    if parameters[least.way.encoder] >= parameters[rows[0].way.encoder]:
        return ""
    sizes = [count(parameters[each.way.encoder]) for each in (least, rows[0])]
    return (
        f"Where size counts take {least.name} ({sizes[0]} parameters against {sizes[1]}): by its interval it loses at "
        f"most {max(_at_most(least, metric), 0.0):.3f}."
    )


def _foretelling(probe: Foretold, rows: Sequence[Placed]) -> str:
    """What the probe would have advised, what that would have cost, and how far its order can be trusted."""
    chosen = next(each for each in rows if each.name == probe.choice)
    if chosen is rows[0]:
        choice = f"put {probe.choice} first as well"
    else:
        noise = "beyond noise" if chosen.standing == "behind" else "within noise"
        choice = f"put {probe.choice} first, which is {_less(chosen).lstrip('−+')} below the best, {noise}"
    return f"Before training, the {SCORES['probe']} on training images {choice}. {trust(probe.agreement)}"


def trust(found: RankAgreement) -> str:
    """The weighted tau in a sentence, with what luck does."""
    if found.sources < LEAST:
        return f"Of {counted(found.sources, 'source')} no order can be foretold well or badly."
    if math.isnan(found.tau):
        return "It tells none of the sources from another."
    return (
        f"Its order agrees with the measured one at a weighted tau of {signed(found.tau)}"
        f"{_ends(found.low, found.high, signed)}; an order of {found.sources} sources drawn at random does as well in "
        f"{luck(found)}."
    )


def luck(found: RankAgreement) -> str:
    """How often an order drawn at random agrees as well: ``5 of 24 cases``."""
    if found.orders <= _EXACT:
        return f"{round(found.chance * found.orders):,} of {found.orders:,} cases"
    return f"{100 * found.chance:.2g}% of cases"


def _ends(low: float, high: float, written: object = None) -> str:
    if math.isnan(low):
        return ""
    ends = (signed(low), signed(high)) if written else (f"{low:.3f}", f"{high:.3f}")
    return f" ({ends[0]} to {ends[1]})"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def source_cautions(
    placed: Mapping[str, Sequence[Placed]], general: Sequence[str], solved: bool, failed: Mapping[str, str]
) -> list[str]:
    """What a reader must know before believing the ranking.

    Parameters
    ----------
    general : what holds of every study.
    solved : whether the head was solved at once on all images, so that every seed gives the same.
    failed : why sources failed, by name.
    """
    said = [f"{name} is not in the ranking: {reason.rstrip('.')}." for name, reason in failed.items()]
    for sentence in general:
        if solved and sentence.startswith("One seed"):
            said.append(
                "Nothing here is left to a seed: the head is solved at once on all training images. Intervals are over "
                "test images alone; other training images (--n with several seeds) would move the scores too."
            )
        else:
            said.append(sentence)
    return said
