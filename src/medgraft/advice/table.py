"""The decision table as data: ``table.yaml`` beside this file, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml


@dataclass(frozen=True)
class Row:
    """One row: for so many patients (``high`` None: no end), similar or not (None: either), begin with ``step``.

    ``words`` narrows it to images that are so far away; empty for any distance, a known one or not.
    """

    number: int
    name: str
    low: int
    high: int | None
    similar: bool | None
    step: str
    because: str
    words: tuple[str, ...] = ()

    def fits(self, patients: int, similar: bool, word: str | None = None) -> bool:
        """Whether data of that size and likeness falls into this row; the upper end belongs to the next one."""
        inside = self.low <= patients and (self.high is None or patients < self.high)
        return inside and self.similar in (None, similar) and (not self.words or word in self.words)


@dataclass(frozen=True)
class Rule:
    """What a measurement changes: ``when`` it holds, go to ``step`` (with ``at_least``: unless already beyond).

    ``bound`` is what a measured interval lies below (no reuse) or above (solved); 0 where nothing is measured.
    """

    when: Literal["no reuse", "solved", "masks"]
    step: str
    at_least: bool
    because: str
    bound: float


@dataclass(frozen=True)
class Table:
    """All rows and rules, the options of each step in order, rates by task, and which distances mean similar."""

    source: str
    similar: tuple[str, ...]
    rows: tuple[Row, ...]
    steps: dict[str, dict[str, Any]]
    rates: dict[str, dict[str, float]]
    rules: tuple[Rule, ...]

    def row(self, patients: int, similar: bool, word: str | None = None) -> Row:
        """The first row that fits; ``word`` is the distance, None where it is not known."""
        return next(row for row in self.rows if row.fits(patients, similar, word))

    def beyond(self, step: str, other: str) -> bool:
        """Whether ``step`` trusts the pretrained features no more than ``other`` does."""
        order = list(self.steps)
        return order.index(step) >= order.index(other)


@cache
def read_table() -> Table:
    """Read the table that comes with the package."""
    raw = yaml.safe_load((files("medgraft.advice") / "table.yaml").read_text(encoding="utf-8"))
    rows = tuple(
        Row(
            number,
            row["name"],
            row["patients"][0],
            row["patients"][1],
            row["similar"],
            row["step"],
            row["because"],
            tuple(row.get("words", ())),
        )
        for number, row in enumerate(raw["rows"], start=1)
    )
    rules = tuple(
        Rule(
            rule["when"],
            rule["move"],
            rule.get("at_least", False),
            rule["because"],
            rule.get("gain_below", rule.get("probe_above", 0.0)),
        )
        for rule in raw["rules"]
    )
    return Table(" ".join(raw["source"].split()), tuple(raw["similar"]), rows, raw["steps"], raw["rates"], rules)
