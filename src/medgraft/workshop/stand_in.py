"""A tiny encoder that offers what a pretrained one does, to try a learner's decoder on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def stand_in(channels: Sequence[int]) -> Any:
    """An encoder with ``forward_pyramid``, ``channels`` and ``strides`` 2, 4, 8, ..., sizes rounded up.

    Where ``changed`` is the number of a stage, ``change`` is applied to it before the pyramid is handed out.
    """
    import torch
    from torch import nn

    class StandIn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_channels, self.channels = 3, list(channels)
            self.strides = [2 ** (stage + 1) for stage in range(len(channels))]
            inputs = [3, *self.channels[:-1]]
            pairs = zip(inputs, self.channels, strict=True)
            self.stages = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairs)
            self.change: Any = None
            self.changed: int | None = None

        def forward_pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
            pyramid: list[torch.Tensor] = []
            for stage in self.stages:
                images = torch.relu(stage(images))
                pyramid.append(images)
            if self.changed is not None:
                pyramid[self.changed] = self.change(pyramid[self.changed])
            return pyramid

    return StandIn()
