"""What is said of explanations: the lead of each method, and how much of the maps lies inside masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medgraft.errors import counted
from medgraft.explain import Explainer
from medgraft.label_predictor import LabelPredictor
from medgraft.scores import Interval


def lead(explainer: Explainer, target: str | None) -> str:
    """What a bright place means, of which class and which layer."""
    of = f"for the class {target}" if target else "for the class that the model named"
    if not isinstance(explainer.predictor, LabelPredictor):
        of = f"for {target or 'the structure'} where the model found it"
    where = "" if explainer.layer is None else f" Read at block {explainer.layer.block}."
    return f"{explainer.method.meaning[:-1]} {of}.{where} ({explainer.method.source})"


def mass_sentence(mass: Mapping[str, Interval] | None, what: str) -> list[str]:
    """How much of the positive mass lies inside the masks, against a flat map."""
    if mass is None:
        return []
    inside, area, more = mass["inside"], mass["area"], mass["difference"]
    if not inside.n:
        return [f"No map with a mask to compare it with had anything in it, so the mass inside {what} is unknown."]
    found = f"Of the maps' positive mass {_percent(inside)} lies inside {what}, on average over "
    flat = f"{counted(inside.n, 'image')}; a flat map would have {_percent(area)} there, the masks' share of the area."
    if more.low > 0:
        so = "So the maps prefer what is marked."
    elif more.high < 0:
        so = "So the maps avoid what is marked."
    else:
        so = "So it is not shown that the maps prefer what is marked."
    return [found + flat, so]


def _percent(interval: Interval) -> str:
    if interval.low != interval.low:
        return f"{100 * interval.value:.0f}%"
    return f"{100 * interval.value:.0f}% ({100 * interval.low:.0f} to {100 * interval.high:.0f}%)"


def lines(findings: Mapping[str, Any]) -> list[str]:
    """What the terminal says, in order."""
    kinds: Sequence[str] = [case["kind"] for case in findings["cases"]]
    names = {"given": "given", "unsure": "least certain"}
    each = ", ".join(f"{kinds.count(kind)} {names.get(kind, kind)}" for kind in dict.fromkeys(kinds))
    layer = f" at block {findings['layer']}" if findings["layer"] else ""
    first = f"{findings['title']}{layer}: {counted(len(kinds), 'image')} ({each})"
    flat = sum(case["flat"] for case in findings["cases"])
    notes = [f"! {counted(flat, 'map')} flat: {_why(findings)}"] if flat else []
    check = findings["sanity"]
    verdict = [("" if check["passed"] else "! ") + check["verdict"]] if check else []
    given = [
        f"  {case['picture']}: {'; '.join(case['caption'].splitlines()[1:])}"
        for case in findings["cases"]
        if case["kind"] == "given"
    ]
    return [first, *given, *notes, *findings["sentences"], *verdict]


def _why(findings: Mapping[str, Any]) -> str:
    return next(str(case["notes"][0]) for case in findings["cases"] if case["flat"] and case["notes"])
