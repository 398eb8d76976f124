"""advise: measure a data set, and say which strategy to begin with and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from medgraft.advice import Advice, Facts, Machine, options_of, read_table, recommend
from medgraft.data import Manifest
from medgraft.data.modality import all_grey
from medgraft.errors import RecipeError
from medgraft.pipeline.folders import settle
from medgraft.pipeline.measurements import Measurements, measure
from medgraft.pipeline.minutes import predict_minutes
from medgraft.pipeline.plan import check_before_work, rehearse
from medgraft.pipeline.prepare import Prepared, complete, open_for, prepare
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.training import accelerator_for
from medgraft.transfer import encoder_of

ADVISED = ("strategy", "blocks", "lr", "encoder_lr", "batch_norm", "size", "augment", "imbalance")
"""Options that advice is on; one that the user has chosen is left as it is."""


def advise(
    data: str | Path | Manifest,
    recipe: Recipe | str | Path | None = None,
    *,
    minutes: float | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Advice:
    """Measure ``data`` and recommend a strategy with its options; nothing is trained for it and no test image seen.

    Parameters
    ----------
    data, recipe, options : as :func:`~medgraft.pipeline.fit` takes them; what is chosen is kept.
    minutes : that training may take; default: any.
    observer : who is told of the progress; default: a bar on standard error.

    Returns
    -------
    Advice
        ``options`` are those of a recipe, ``reasons`` the sentences and figures behind them.

    Raises
    ------
    MedgraftError
        For anything about the data or the recipe that the caller can mend.

    Examples
    --------
    >>> advice = advise("lesions/")  # doctest: +SKIP
    >>> fit("lesions/", **advice.options)  # doctest: +SKIP
    """
    observer = observer or Terminal()
    try:
        settled = settle(recipe, options)
        return advise_on(open_for(data, settled), settled, minutes, observer)
    finally:
        observer.close()


def advise_on(manifest: Manifest, recipe: Recipe, minutes: float | None, observer: Observer) -> Advice:
    """:func:`advise` for data that is open already and a recipe that need not be complete."""
    if recipe.model == "unet":
        raise RecipeError("model: unet has no encoder, so there is nothing to advise on; leave the model out.")
    base = complete(Recipe.make(_without_strategy(recipe), strategy="frozen"), manifest)
    check_before_work(base, manifest)
    encoder = encoder_of(rehearse(base, manifest).model)
    assert encoder is not None  # a model without one was refused
    prepared = prepare(manifest, base, observer)
    measured = measure(prepared, base, observer)
    facts = _facts(prepared, base, measured, len(encoder.blocks))
    observer.say("timing a few training steps of each strategy")
    facts = facts.with_minutes(predict_minutes(prepared, base, _steps(facts, recipe), measured.extraction))
    advice = recommend(facts, minutes)
    chosen = {name: recipe.options()[name] for name in ADVISED if name in recipe.chosen()}
    return advice.keeping({name: value for name, value in chosen.items() if (name, value) != ("strategy", "auto")})


def follow(manifest: Manifest, recipe: Recipe, observer: Observer) -> tuple[Manifest, Recipe]:
    """Settle ``strategy: auto``: the recipe as advised, and the manifest with a note that says why."""
    advice = advise_on(manifest, Recipe.make(_without_strategy(recipe)), None, observer)
    why = "; ".join(reason.sentence for reason in advice.reasons)
    settled = Recipe.make(recipe, **advice.options)
    return manifest.with_notes(f"strategy auto: {advice.headline}; {why}"), settled


def _without_strategy(recipe: Recipe) -> Recipe:
    return Recipe.make(**{name: value for name, value in recipe.chosen().items() if name != "strategy"})


def _steps(facts: Facts, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Options of every step of the table for this data, at the size that will be advised."""
    kept = {name: recipe.options()[name] for name in ADVISED if name in recipe.chosen() and name != "strategy"}
    return {step: options_of(step, facts, read_table()) | kept for step in read_table().steps}


def _facts(prepared: Prepared, recipe: Recipe, measured: Measurements, blocks: int) -> Facts:
    manifest, store = prepared.manifest, prepared.store
    return Facts(
        task=manifest.task,
        images=len(manifest),
        patients=int(manifest.table["group"].nunique()) if manifest.has_groups else None,
        blocks=blocks,
        distance=measured.distance,
        word=measured.word,
        probe=measured.probe,
        gain=measured.gain,
        curve=measured.curve,
        rarest=float(manifest.presence.mean(axis=0).min()) if manifest.classes is not None else None,
        side=int(np.median(store.sizes.min(axis=1))),
        grey=all_grey(manifest),
        machine=_machine(recipe),
    )


def _machine(recipe: Recipe) -> Machine:
    device = accelerator_for(recipe.device).device
    memory = psutil.virtual_memory().total
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    return Machine(device.type, os.cpu_count() or 1, round(memory / 1e9, 1))
