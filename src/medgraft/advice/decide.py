"""From facts to a step of the table: the row that fits, then the rules that measurements set off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medgraft.advice.facts import Facts
from medgraft.advice.table import Row, Rule, Table


@dataclass(frozen=True)
class Decision:
    """The row that the data falls into, the rules that moved it on, in order, and the step it came to."""

    row: Row
    rules: tuple[Rule, ...]
    step: str


def decide(facts: Facts, table: Table) -> Decision:
    """Take the row for the number of patients and the distance, and apply the rules that hold."""
    row = table.row(facts.count, is_similar(facts, table), facts.word)
    step, applied = row.step, []
    for rule in table.rules:
        if _holds(rule, facts) and not _already(rule, step, table):
            step = rule.step
            applied.append(rule)
    return Decision(row, tuple(applied), step)


def is_similar(facts: Facts, table: Table) -> bool:
    """Whether the images count as similar to the pretraining images; where that is not known, they do not."""
    return facts.word in table.similar


def within(minutes: dict[str, float], step: str, budget: float | None, table: Table) -> str:
    """``step``, or the first one before it whose predicted minutes the budget allows; the first of all if none."""
    if budget is None:
        return step
    for each in reversed(list(_up_to(step, table))):
        if minutes.get(each, 0.0) <= budget:
            return each
    return next(iter(table.steps))


def _up_to(step: str, table: Table) -> Iterator[str]:
    for each in table.steps:
        yield each
        if each == step:
            return


def _holds(rule: Rule, facts: Facts) -> bool:
    masks = facts.task == "segmentation"
    if rule.when == "masks":
        return masks
    if rule.when == "solved":  # cells of a mask that are told apart have no outline yet
        return not masks and facts.probe is not None and facts.probe.low > rule.bound
    return facts.gain is not None and facts.gain.high < rule.bound


def _already(rule: Rule, step: str, table: Table) -> bool:
    return step == rule.step or (rule.at_least and table.beyond(step, rule.step))
