"""The moving average of a model's weights, which is evaluated and kept in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """Return the exponential moving average of weights and statistics, or None where ``decay`` is 0."""
    if decay == 0:
        return None
    ema = get_ema_multi_avg_fn(decay)

    def average(kept: Sequence[Tensor], now: Sequence[Tensor], count: Any) -> None:
        if kept[0].is_floating_point():
            ema(kept, now, count)
        else:
            # Counters are copied: their average, cut to an integer, would fall below the count.
            for old, new in zip(kept, now, strict=True):
                old.copy_(new)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
