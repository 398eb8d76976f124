"""How long a training would take here: predicted from a few steps of it on this machine and this data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from medgraft.data import Augmenter
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.extraction import solves, views_of
from medgraft.pipeline.prepare import Prepared
from medgraft.pipeline.probing import probe
from medgraft.recipe import Recipe
from medgraft.training import Choices, accelerator_for

EVALUATION = 1 / 3
"""A forward pass alone, as a share of a step: the backward pass takes about twice as long as the forward one."""


def predict_minutes(
    prepared: Prepared, recipe: Recipe, steps: Mapping[str, Mapping[str, Any]], extraction: float
) -> dict[str, float]:
    """Minutes that ``fit`` would train for, by step of the decision table, all epochs counted.

    Parameters
    ----------
    recipe : complete but for the strategy.
    steps : options of each step.
    extraction : measured seconds an image that the fixed encoder takes on its fastest engine; 0 where it was not
        measured, and a few steps have to tell.
    """
    found: dict[str, float] = {}
    for name, options in steps.items():
        if name == "scratch" and "full" in found:  # its steps cost the same
            found[name] = found["full"]
        else:
            found[name] = _minutes(prepared, Recipe.make(recipe, **options), extraction)
    return found


def _minutes(prepared: Prepared, recipe: Recipe, extraction: float) -> float:
    assembled = assemble(recipe, prepared.task.outputs, prepared.mean, prepared.std)
    views = views_of(recipe, assembled, None)
    if views and solves(recipe) and recipe.strategy == "frozen" and extraction:
        return len(prepared.store) * extraction / 60
    begin = time.perf_counter()
    choices = probe(
        prepared,
        assembled,
        recipe,
        prepared.task.criterion(recipe, prepared.targets("train")),
        Augmenter(recipe.augment),
        accelerator_for(recipe.device).device,
        epoch=recipe.epochs - 1,
    )
    seconds = time.perf_counter() - begin
    return (seconds + _training(prepared, recipe, assembled, choices, views)) / 60


def _training(prepared: Prepared, recipe: Recipe, assembled: Assembled, choices: Choices, views: int) -> float:
    """Seconds of all epochs: of the fixed blocks once where their outputs are stored, in every epoch otherwise."""
    prefix, step = _an_image(choices, recipe.batch_size)
    train, val = (len(prepared.rows[split]) for split in ("train", "val"))
    an_epoch = train * step + val * step * EVALUATION
    if views:
        return (len(prepared.store) + (views - 1) * train) * prefix + recipe.epochs * an_epoch
    return recipe.epochs * (an_epoch + (train + val) * prefix)


def _an_image(choices: Choices, batch: int) -> tuple[float, float]:
    """Seconds that the fixed blocks, and a step of what learns, take for an image."""
    measured = choices.milliseconds
    engine = next((measured[key] for key in _keys(choices) if key in measured), 0.0)
    step = measured.get(f"step {choices.precision} {choices.memory_format}", 0.0)
    return engine / batch / 1000, step / max(1, choices.images) / 1000


def _keys(choices: Choices) -> tuple[str, str]:
    return f"engine {choices.engine} {choices.precision}", f"engine {choices.engine}"
