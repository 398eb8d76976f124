"""The model as the loop sees it: a frozen prefix on some engine, the rest with gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from medgraft.models import EncoderModel
from medgraft.transfer import Engine

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Learner(nn.Module):
    """The part of ``model`` behind its frozen prefix, as one module that data parallelism can wrap.

    ``forward`` takes the prefix's outputs (without a prefix: a list with the images alone) and the size [H, W] of
    the images, and returns the model's logits.
    """

    def __init__(self, model: nn.Module, stop: int) -> None:
        super().__init__()
        self.model, self.stop = model, stop

    def forward(self, inputs: list[Tensor], size: tuple[int, int]) -> Tensor:
        if self.stop and isinstance(self.model, EncoderModel):
            return self.model.forward_from(inputs, self.stop, size)
        logits: Tensor = self.model(inputs[0])
        return logits


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The autocast context of a precision; float32 turns autocast off."""
    return torch.autocast(device.type, dtype=DTYPES[precision], enabled=precision != "fp32")


def laid_out(images: Tensor, memory_format: str) -> Tensor:
    """A tensor [B, C, H, W] in the memory layout of that name."""
    return images.contiguous(memory_format=LAYOUTS[memory_format])


def run_prefix(engine: Engine | None, images: Tensor, memory_format: str) -> list[Tensor]:
    """What the learner takes, laid out: the engine's outputs, or the images where nothing is fixed.

    Under autocast the outputs have its type. A decoder that concatenates a float32 map with its own in bf16 would
    otherwise do so in float32.
    """
    if engine is None:
        return [laid_out(images, memory_format)]
    outputs = engine(laid_out(images, memory_format) if engine.name == "torch" else images)
    return [arranged(output.to(images.device), memory_format) for output in outputs]


def arranged(output: Tensor, memory_format: str) -> Tensor:
    """An output of the prefix in autocast's type (float32 where that is off); maps in the layout of that name."""
    kind = output.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    return output.to(dtype, memory_format=LAYOUTS[memory_format]) if output.ndim == 4 else output.to(dtype)
