"""Where a run goes, and which run is resumed with which recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.errors import RecipeError, RunError
from medgraft.pipeline.prepare import complete, open_for
from medgraft.recipe import Recipe
from medgraft.run import Run


def default_folder(manifest: Manifest, recipe: Recipe) -> Path:
    """``runs/DATA-STRATEGY-SIZE``, with what else is not as by default: model, initialisation, images, folds."""
    model = "" if recipe.model in ("encoder_unet", "classifier") else f"-{recipe.model.replace(':', '-')}"
    init = f"-{recipe.init}" if recipe.init not in (None, "WT") else ""
    fewer = f"-of-{recipe.train_images}" if recipe.train_images else ""
    folds = f"-{recipe.folds}-folds" if recipe.folds else ""
    return Path("runs") / f"{manifest.name}{model}-{recipe.strategy}{init}-{recipe.size}{fewer}{folds}"


def refuse_existing(folder: Path) -> None:
    """Raise RunError where ``folder`` holds anything or cannot be made, before any long work is done for it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} exists already. Choose another folder with --out, or add --resume to go on with that run."
        )
    nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise RunError(
            f"{folder} cannot be made: {nearest} is no folder that can be written to. Choose another with --out."
        )


def settle(recipe: Recipe | str | Path | None, options: dict[str, Any]) -> Recipe:
    """The recipe that a caller asks for by a value or a file (default: the defaults), changed by single options."""
    if isinstance(recipe, str | Path):
        return Recipe.load(recipe, **options)
    return Recipe.make(recipe or Recipe(), **options)


def reopen(
    data: str | Path | Manifest, recipe: Recipe | str | Path | None, out: str | Path | None, options: dict[str, Any]
) -> Run:
    """The run to resume; raises RecipeError where the recipe asked for is another than it was started with."""
    if out is None:
        wanted = settle(recipe, options)
        if wanted.strategy == "auto":
            raise RecipeError(
                "strategy: auto became another one when the run began, and its folder is called after that; name the "
                "run to go on with by --out."
            )
        manifest = open_for(data, wanted)
        out = default_folder(manifest, complete(wanted, manifest))
    run = Run(out)
    saved = run.recipe.options()
    # What was not chosen has defaults that depend on the data; the run's own recipe holds what they came to.
    chosen = settle(recipe, options).chosen()
    if chosen.get("strategy") == "auto":  # settled when the run began
        del chosen["strategy"]
    changed = [f"{key} ({saved[key]} -> {value})" for key, value in chosen.items() if value != saved[key]]
    if changed:
        raise RecipeError(
            f"{run.folder} was started with another recipe and is resumed with its own; changed: {', '.join(changed)}. "
            "Leave these options out, or train anew with another --out."
        )
    return run


def refuse_other_work(run: Run, processes: int, store: str) -> None:
    """Raise RunError where ``run`` was begun with another number of processes, or on data of another pixel store."""
    if not (run.folder / "environment.json").is_file():
        return
    before = run.environment
    if before["processes"] != processes:
        raise RunError(
            f"{run.folder}: this run was begun with {before['processes']} processes and is resumed with {processes}; "
            "batches would differ. Start as many as before."
        )
    if before["data"]["store"] != store:
        raise RunError(
            f"{run.folder}: the data has changed since this run began, so it cannot be resumed. Train again with "
            "another --out."
        )
