"""How far training moved the weights of each block, for that block alone; norms and their statistics apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from medgraft.errors import WeightsError
from medgraft.models import Encoder
from medgraft.transfer.parts import norm_parameters


@dataclass(frozen=True)
class Distance:
    """How far some numbers moved.

    Attributes
    ----------
    count : how many there are.
    moved : the L2 distance between their values before and after.
    start : the L2 norm of their values before.
    """

    count: int
    moved: float
    start: float

    @property
    def rms(self) -> float:
        """Root mean square of the change of a number; 0 where there is none."""
        return self.moved / math.sqrt(self.count) if self.count else 0.0

    @property
    def relative(self) -> float | None:
        """The distance as a share of the norm before; None where that is 0."""
        return self.moved / self.start if self.start > 0 else None


@dataclass(frozen=True)
class Movement:
    """How far one block moved.

    Attributes
    ----------
    block : its name.
    weights : of convolutions, linear layers and tokens, with their biases.
    norms : scales and shifts of normalisations.
    statistics : running means and variances, which follow the images and are not learned by gradients.
    """

    block: str
    weights: Distance
    norms: Distance
    statistics: Distance

    @property
    def fixed(self) -> bool:
        """Whether nothing in the block learned; running statistics may have followed the images."""
        return not (self.weights.moved or self.norms.moved)


def movement(encoder: Encoder, initial: Mapping[str, Tensor]) -> list[Movement]:
    """Compare each block with what it was.

    Parameters
    ----------
    encoder : as it is after training.
    initial : its state before, by the names of ``encoder.state_dict()``.

    Raises
    ------
    WeightsError
        Where ``initial`` lacks a tensor of a block, or has it in another shape.
    """
    check_state(encoder, initial)
    found = []
    for place, (name, block) in enumerate(zip(encoder.block_names, encoder.blocks, strict=True)):
        norms = set(map(id, norm_parameters(block)))
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {"weights": [], "norms": [], "statistics": []}
        for key, parameter in block.named_parameters():
            kind = "norms" if id(parameter) in norms else "weights"
            parts[kind].append((initial[f"blocks.{place}.{key}"], parameter.detach()))
        for key, buffer in block.named_buffers():
            full = f"blocks.{place}.{key}"
            if full in initial and buffer.is_floating_point():
                parts["statistics"].append((initial[full], buffer))
        found.append(Movement(name, **{kind: _distance(pairs) for kind, pairs in parts.items()}))
    return found


def check_state(encoder: Encoder, initial: Mapping[str, Tensor]) -> None:
    """Raise WeightsError where ``initial`` is no state of this encoder's blocks."""
    for key, tensor in encoder.state_dict().items():
        if key.startswith("blocks.") and (key not in initial or initial[key].shape != tensor.shape):
            what = "is missing" if key not in initial else f"has shape {tuple(initial[key].shape)}"
            raise WeightsError(
                f"the weights before training are not those of {encoder.name}: {key} {what}; compare a run with the "
                "weights that it began with."
            )


def _distance(pairs: Iterable[tuple[Tensor, Tensor]]) -> Distance:
    count, moved, start = 0, 0.0, 0.0
    for before, after in pairs:
        one, other = before.detach().double().cpu(), after.detach().double().cpu()
        count += one.numel()
        moved += float(torch.sum((other - one) ** 2))
        start += float(torch.sum(one**2))
    return Distance(count, math.sqrt(moved), math.sqrt(start))
