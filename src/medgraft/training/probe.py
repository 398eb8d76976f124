"""Which engine, precision and memory layout this machine runs this training fastest with: measured, then fixed."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.recipe import Recipe
from medgraft.training.trainee import LAYOUTS, Learner, autocast, run_prefix
from medgraft.transfer import Engine, choose_engine, encoder_of, least_milliseconds

WORTH = 0.95
"""A choice other than plain float32 is taken where a step takes at most this share of plain float32's time."""
NONE = "none"
STEP_SECONDS = 0.25
"""Where a step of the whole batch takes longer, the probe measures steps of fewer images, two at least."""


@dataclass(frozen=True)
class Choices:
    """What a run trains with. Written to the run, and used again as it is on resume.

    Attributes
    ----------
    engine : what runs the frozen prefix; ``none`` where there is none.
    precision, memory_format : of everything that PyTorch runs.
    milliseconds : what the probe measured, by candidate; empty where the recipe fixed everything. An engine runs a
        whole batch, a step ``images`` of it.
    """

    engine: str
    precision: str
    memory_format: str
    milliseconds: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    images: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for the run's environment.json."""
        return asdict(self)

    def sentence(self) -> str:
        """The choice in a line, with the factors measured."""
        ms = self.milliseconds
        gain = ""
        times = [
            next((ms[key] for key in (f"engine {name} {self.precision}", f"engine {name}") if key in ms), None)
            for name in ("torch", self.engine)
        ]
        if times[0] and times[1] and self.engine != "torch":
            gain = f" ({times[0] / times[1]:.1f}x torch)"
        step = f"step {self.precision} {self.memory_format}"
        plain = "step fp32 contiguous"
        ratio = f" (step {ms[plain] / ms[step]:.1f}x plain float32)" if step in ms and step != plain else ""
        prefix = "no frozen prefix" if self.engine == NONE else f"prefix on {self.engine}{gain}"
        return f"{prefix}, {self.precision}, {self.memory_format}{ratio}"


def choose(
    model: nn.Module,
    stop: int,
    recipe: Recipe,
    images: Tensor,
    targets: Tensor,
    criterion: Callable[[Tensor, Tensor], Tensor],
) -> Choices:
    """Measure what the recipe leaves on ``auto`` and return the choice; the model is left as it was.

    Parameters
    ----------
    stop : how many leading encoder blocks are fixed in the first stage.
    images, targets : a training batch, float [B, C, H, W] in [0, 1] and its targets, on the training device.
    """
    engine: Engine | None = None
    figures: dict[str, float] = {}
    parity: dict[str, float] = {}
    refused: dict[str, str] = {}
    encoder = encoder_of(model)
    if stop and encoder is not None:
        engine, found = choose_engine(encoder, stop, images, recipe.engine)
        figures |= {f"engine {name}": ms for name, ms in found.milliseconds.items()}
        parity, refused = found.parity, found.refused
    candidates = _candidates(recipe, images.device.type)
    count = 0
    if len(candidates) > 1:
        with _Steps(model, stop, engine, images, targets, criterion) as steps:
            count = _affordable(steps, candidates[0])
            figures |= _time_candidates(steps, candidates, count)
    precision, layout = _best(candidates, figures)
    if engine is not None and encoder is not None and precision == "bf16":
        # The step says which precision; only then is it known which engines may use it.
        engine, found = choose_engine(encoder, stop, images, recipe.engine, precision)
        figures |= {f"engine {name}": ms for name, ms in found.milliseconds.items()}
        parity, refused = parity | found.parity, refused | found.refused
    return Choices(engine.name if engine else NONE, precision, layout, figures, parity, refused, count)


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


class _Steps:
    """Forward and backward on a batch, under any precision and layout.

    Used as a context: weights, buffers, mode and layout are put back at its end.
    """

    def __init__(
        self,
        model: nn.Module,
        stop: int,
        engine: Engine | None,
        images: Tensor,
        targets: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        self.model, self.engine, self.criterion = model, engine, criterion
        self.images, self.targets = images, targets
        self.learner = Learner(model, stop)

    def __enter__(self) -> _Steps:
        self.before = copy.deepcopy(self.model.state_dict())
        self.training = self.model.training
        self.model.train()
        return self

    def __exit__(self, *_: object) -> None:
        self.model.to(memory_format=torch.contiguous_format)
        self.model.load_state_dict(self.before)
        self.model.train(self.training)

    def run(self, precision: str, layout: str, count: int) -> None:
        """One step of the first ``count`` images."""
        self.model.to(memory_format=LAYOUTS[layout])
        images, targets = self.images[:count], self.targets[:count]
        with autocast(images.device, precision):
            logits = self.learner(run_prefix(self.engine, images, layout), (images.shape[-2], images.shape[-1]))
        self.criterion(logits, targets).backward()
        self.model.zero_grad(set_to_none=True)
        if images.device.type == "cuda":
            torch.cuda.synchronize()


def _affordable(steps: _Steps, plain: tuple[str, str]) -> int:
    """How many images a step may have to be soon over."""
    few, whole = min(2, len(steps.images)), len(steps.images)
    an_image = least_milliseconds({"plain": partial(steps.run, *plain, few)}, rounds=1)["plain"] / few
    return max(few, min(whole, int(1000 * STEP_SECONDS / an_image)))


def _time_candidates(steps: _Steps, candidates: list[tuple[str, str]], count: int) -> dict[str, float]:
    """Milliseconds of a step of ``count`` images for each candidate."""
    return least_milliseconds({f"step {' '.join(each)}": partial(steps.run, *each, count) for each in candidates})
