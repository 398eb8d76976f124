"""Which of several calls is fastest here, in spite of whatever else the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def least_milliseconds(calls: Mapping[str, Callable[[], object]], rounds: int = 3) -> dict[str, float]:
    """Least wall time of each call over ``rounds``, after one round that is not counted.

    The calls take turns, and the least time counts: what else the machine does then can slow a call, but not
    favour one over another.
    """
    least = dict.fromkeys(calls, float("inf"))
    for counted in range(-1, rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if counted >= 0:
                least[name] = min(least[name], 1000 * (time.perf_counter() - start))
    return {name: round(milliseconds, 2) for name, milliseconds in least.items()}
