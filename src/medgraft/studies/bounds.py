"""Where a score ends, whatever is measured: no interval goes beyond."""

from __future__ import annotations

import math

from medgraft.report.wording import is_distance
from medgraft.scores import lower_is_better

_SIGNED = ("kappa", "mcc")
"""Scores that go down to -1."""


def bounds_of(metric: str) -> tuple[float, float]:
    """The least and the most that a metric can be; of lengths and losses the most is infinite."""
    if is_distance(metric) or lower_is_better(metric):
        return 0.0, math.inf
    return (-1.0 if metric in _SIGNED else 0.0), 1.0
