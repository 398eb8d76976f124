"""The learning rate over a training, as a factor on each group's own rate."""

from __future__ import annotations

import math


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """Return the factor for ``step`` (from 0) of ``total``: a linear rise over the first share, then a half cosine.

    The rise ends at 1 after ``warmup * total`` steps (at least one), the cosine ends just above 0, so that the last
    step still moves the weights. Loshchilov and Hutter (2017), equation 5, without restarts.
    """
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
