"""Engine, precision and layout of the cells: measured once for an encoder and a strategy, then the same for all.

A probe in every cell would take seconds of each, and might let one initialisation train in bf16 and another not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch

from medgraft.data import Augmenter, scale, training_loader
from medgraft.errors import MedgraftError, WeightsError
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.extraction import SAMPLE, views_of
from medgraft.pipeline.prepare import Prepared
from medgraft.pipeline.probing import probe
from medgraft.recipe import Recipe
from medgraft.studies.cell import Cell
from medgraft.studies.desk import Desk
from medgraft.training import accelerator_for
from medgraft.training.probe import NONE
from medgraft.transfer import encoder_of, engine_for

_CHOSEN = ("engine", "precision", "memory_format")


def choose(desk: Desk, encoder: str, strategy: str) -> dict[str, str]:
    """What the study's recipe leaves on ``auto``, measured on the data; empty where nothing is or can be.

    The first initialisation of the study whose weights can be had stands for all, as arithmetic takes equally long on
    any numbers. What keeps the encoder from being built is left for its cells to say.
    """
    grid, terms = desk.plan.grid, desk.plan.terms
    fold = 1 if grid.folds else 0
    for init in grid.inits:
        recipe = desk.recipe(Cell(encoder, init, strategy, None, grid.seeds[0], fold), terms.rates[0])
        with suppress(WeightsError):
            prepared = desk.prepared(recipe)
            assembled = assemble(recipe, prepared.task.outputs, prepared.mean, prepared.std)
            found = _measured(recipe, prepared, assembled)
            return {name: value for name, value in found.items() if getattr(recipe, name) == "auto" and value != NONE}
    return {}


def settle(desk: Desk, say: Callable[[str, int, int], None]) -> dict[tuple[str, str], dict[str, str]]:
    """The choices of every encoder and strategy of the grid that has none yet.

    Parameters
    ----------
    say : called with what is done, how many are done and how many there are.
    """
    grid, known = desk.plan.grid, desk.plan.choices
    wanted = [(e, s) for e in grid.encoders for s in grid.strategies if (e, s) not in known]
    found = {}
    for done, (encoder, strategy) in enumerate(wanted):
        say("measuring", done, len(wanted))
        # A measurement that cannot be made must not stop those cells that can do without.
        with suppress(MedgraftError, RuntimeError, ValueError):
            found[encoder, strategy] = choose(desk, encoder, strategy)
    if wanted:
        say("measuring", len(wanted), len(wanted))
    return found


def _measured(recipe: Recipe, prepared: Prepared, assembled: Assembled) -> dict[str, str]:
    if all(getattr(recipe, name) != "auto" for name in _CHOSEN):
        return {}
    device = accelerator_for(recipe.device).device
    if recipe.strategy == "frozen" and views_of(recipe, assembled, None):
        return {"engine": _engine_of_features(recipe, prepared, assembled, device)}
    criterion = prepared.task.criterion(recipe, prepared.targets("train"))
    choices = probe(prepared, assembled, recipe, criterion, Augmenter(recipe.augment), device, 0)
    return {"engine": choices.engine, "precision": choices.precision, "memory_format": choices.memory_format}


def _engine_of_features(recipe: Recipe, prepared: Prepared, assembled: Assembled, device: torch.device) -> str:
    """What runs the fixed encoder over all images once, and nothing learns but a head on its features."""
    encoder = encoder_of(assembled.model)
    if encoder is None or device.type != "cpu":
        return "torch"
    sample = scale(next(iter(training_loader(prepared.store, prepared.rows["train"], None, SAMPLE, 0))).images)
    return engine_for(encoder, len(encoder.blocks), sample, len(prepared.store))[0].name
