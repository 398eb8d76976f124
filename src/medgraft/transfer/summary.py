"""What a model is made of and which part learns at which rate, a row a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medgraft.transfer.strategy import Strategy, encoder_of, rest_name, rest_parameters


@dataclass(frozen=True)
class PartSummary:
    """One encoder block, or all that is not encoder.

    Attributes
    ----------
    part : the part's name, as in the optimiser's groups.
    shape : [C, H, W] of what it returns for the given input.
    parameters : how many numbers it holds (buffers not counted).
    trainable : how many of them learn now.
    lr : the rate at which they do (the schedule's peak), 0 where fixed.
    """

    part: str
    shape: tuple[int, ...]
    parameters: int
    trainable: int
    lr: float


def summarise(model: nn.Module, strategy: Strategy, size: int, channels: int = 3, epoch: int = 0) -> list[PartSummary]:
    """Return the parts of ``model`` under ``strategy`` in ``epoch``, for square images of ``size`` pixels and
    ``channels`` channels.

    The strategy must have been applied to the model.
    """
    encoder = encoder_of(model)
    blocks = list(encoder.blocks) if encoder is not None else []
    shapes: dict[int, tuple[int, ...]] = {}

    def record(index: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            shapes[index] = tuple(output.shape[1:])

        return hook

    hooks = [block.register_forward_hook(record(i)) for i, block in enumerate(blocks)]
    training = model.training
    images = next(model.parameters()).new_zeros(1, channels, size, size)
    try:
        model.eval()
        with torch.no_grad():
            out = model(images)
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
    rows = []
    if encoder is not None:
        rates = strategy.rates(len(blocks), epoch)
        for i, (name, block, rate) in enumerate(zip(encoder.block_names, blocks, rates, strict=True)):
            rows.append(_row(f"encoder {name}", shapes.get(i, ()), list(block.parameters()), rate))
    rows.append(_row(rest_name(model), tuple(out.shape[1:]), rest_parameters(model), strategy.lr))
    return rows


def _row(part: str, shape: tuple[int, ...], parameters: list[nn.Parameter], lr: float) -> PartSummary:
    total = sum(p.numel() for p in parameters)
    learning = sum(p.numel() for p in parameters if p.requires_grad)
    return PartSummary(part, shape, total, learning, lr)
