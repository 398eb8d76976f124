"""What a model is made of and which part learns at which rate, a row a part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchinfo
from torch import nn
from torchinfo.layer_info import LayerInfo
from torchinfo.torchinfo import clear_cached_forward_pass

from medgraft.transfer.parts import encoder_of, rest_name
from medgraft.transfer.strategy import Strategy


@dataclass(frozen=True)
class PartSummary:
    """One encoder block, or all that is not encoder.

    Attributes
    ----------
    part : the part's name, as in the optimiser's groups.
    shape : of what it returns for one of the given images: [C, H, W], [H, W, C], tokens [N, C] or features [D].
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

    The strategy must have been applied to the model. The model runs once, on the device it is on, in eval mode and
    without gradients; its weights, buffers and modes stay as they are.
    """
    images = next(model.parameters()).new_zeros(1, channels, size, size)
    layers = _layers(model, images)
    whole = layers[id(model)]
    encoder = encoder_of(model)
    rows: list[PartSummary] = []
    if encoder is not None:
        rates = strategy.rates(encoder, epoch)
        for name, block, rate in zip(encoder.block_names, encoder.blocks, rates, strict=True):
            layer = layers[id(block)]
            rows.append(_row(f"encoder {name}", layer, layer.num_params, layer.trainable_params, rate))
    parameters = whole.num_params - sum(row.parameters for row in rows)
    trainable = whole.trainable_params - sum(row.trainable for row in rows)
    return [*rows, _row(rest_name(model), whole, parameters, trainable, strategy.lr)]


def _row(part: str, layer: LayerInfo, parameters: int, trainable: int, lr: float) -> PartSummary:
    return PartSummary(part, tuple(layer.output_size[1:]), parameters, trainable, lr)


def _layers(model: nn.Module, images: torch.Tensor) -> dict[int, LayerInfo]:
    """What torchinfo finds of every module, by the module's id."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        found = torchinfo.summary(model, input_data=images, verbose=0).summary_list
    except RuntimeError as error:
        # The model's own error says more than that the summary failed.
        raise error.__cause__ or error from None
    finally:
        # It sets one mode for all modules, and keeps the model alive in a cache.
        for module, training in modes:
            module.training = training
        clear_cached_forward_pass()
    return {layer.layer_id: layer for layer in found}
