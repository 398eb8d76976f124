"""Which engine, precision and memory layout this machine runs this training fastest with: measured, then fixed."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.recipe import Recipe
from medgraft.training.trainee import Learner, autocast, run_prefix
from medgraft.transfer import Engine, choose_engine
from medgraft.transfer.prefix import median_seconds

WORTH = 0.95
"""A choice other than plain float32 is taken where a step takes at most this share of plain float32's time."""
PIXELS = 16 * 128 * 128
"""Pixels of a batch above which the probe measures on fewer images."""


@dataclass(frozen=True)
class Choices:
    """What a run trains with. Written to the run, and used again as it is on resume.

    Attributes
    ----------
    engine : what runs the frozen prefix, ``torch`` where there is none.
    precision, memory_format : of everything that PyTorch runs.
    milliseconds : what the probe measured, by candidate; empty where the recipe fixed everything.
    """

    engine: str
    precision: str
    memory_format: str
    milliseconds: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for the run's environment.json."""
        return asdict(self)

    def sentence(self) -> str:
        """The choice in a line, with the factors measured."""
        ms = self.milliseconds
        gain = ""
        if "engine torch" in ms and f"engine {self.engine}" in ms and self.engine != "torch":
            gain = f" ({ms['engine torch'] / ms[f'engine {self.engine}']:.1f}x torch)"
        step = f"step {self.precision} {self.memory_format}"
        plain = "step fp32 contiguous"
        ratio = f" (step {ms[plain] / ms[step]:.1f}x plain float32)" if step in ms and step != plain else ""
        return f"prefix on {self.engine}{gain}, {self.precision}, {self.memory_format}{ratio}"


def choose(
    model: nn.Module,
    stop: int,
    recipe: Recipe,
    images: Tensor,
    masks: Tensor,
    criterion: Callable[[Tensor, Tensor], Tensor],
) -> Choices:
    """Measure what the recipe leaves on ``auto`` and return the choice; the model is left as it was.

    Parameters
    ----------
    stop : how many leading encoder blocks are fixed in the first stage.
    images, masks : a training batch, float [B, C, H, W] in [0, 1] and classes [B, H, W], on the training device.
    """
    fewer = max(2, min(len(images), PIXELS // (images.shape[-1] * images.shape[-2])))
    images, masks = images[:fewer], masks[:fewer]
    engine: Engine | None = None
    figures: dict[str, float] = {}
    parity: dict[str, float] = {}
    refused: dict[str, str] = {}
    if stop:
        engine, found = choose_engine(model.encoder, stop, images, recipe.engine)  # type: ignore[arg-type]
        figures |= {f"engine {name}": ms for name, ms in found.milliseconds.items()}
        parity, refused = found.parity, found.refused
    candidates = _candidates(recipe, images.device.type)
    if len(candidates) > 1:
        figures |= _time_steps(model, stop, engine, candidates, images, masks, criterion)
    best = _best(candidates, figures)
    return Choices(engine.name if engine else "torch", *best, figures, parity, refused)


def _candidates(recipe: Recipe, device: str) -> list[tuple[str, str]]:
    precisions = ["fp32", "bf16"] if device in ("cpu", "cuda") else ["fp32"]
    precision = precisions if recipe.precision == "auto" else [recipe.precision]
    layouts = ["contiguous", "channels_last"] if recipe.memory_format == "auto" else [recipe.memory_format]
    return list(itertools.product(precision, layouts))


def _best(candidates: list[tuple[str, str]], figures: dict[str, float]) -> tuple[str, str]:
    def time(candidate: tuple[str, str]) -> float:
        return figures.get(f"step {candidate[0]} {candidate[1]}", 0.0)

    fastest = min(candidates, key=time)
    plain = candidates[0]
    return fastest if time(fastest) <= WORTH * time(plain) else plain


def _time_steps(
    model: nn.Module,
    stop: int,
    engine: Engine | None,
    candidates: list[tuple[str, str]],
    images: Tensor,
    masks: Tensor,
    criterion: Callable[[Tensor, Tensor], Tensor],
) -> dict[str, float]:
    """Milliseconds of forward and backward for each candidate; weights, buffers, mode and layout are put back."""
    before = copy.deepcopy(model.state_dict())
    training = model.training
    learner = Learner(model, stop)
    model.train()
    figures = {}
    for precision, layout in candidates:
        model.to(memory_format=getattr(torch, _torch_name(layout)))

        def step(precision: str = precision, layout: str = layout) -> None:
            with autocast(images.device, precision):
                logits = learner(run_prefix(engine, images, layout), (images.shape[-2], images.shape[-1]))
            criterion(logits, masks).backward()  # type: ignore[no-untyped-call]
            model.zero_grad(set_to_none=True)
            if images.device.type == "cuda":
                torch.cuda.synchronize()

        figures[f"step {precision} {layout}"] = round(1000 * median_seconds(step), 2)
    model.to(memory_format=torch.contiguous_format)
    model.load_state_dict(before)
    model.train(training)
    return figures


def _torch_name(layout: str) -> str:
    return "channels_last" if layout == "channels_last" else "contiguous_format"
