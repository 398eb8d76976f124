"""Which of two epochs is the better one."""

from __future__ import annotations

import math
from collections.abc import Mapping

Standing = tuple[float, float]

WORST: Standing = (-math.inf, -math.inf)


def standing(val: Mapping[str, float], key: str) -> Standing | None:
    """What decides between epochs, the larger the better: the score, then the loss. None without validation images."""
    if not val:
        return None
    # A score that is undefined, as with one class alone in the split, leaves the decision to the loss.
    score = val[key]
    return (-1.0 if math.isnan(score) else score), -val["loss"]
