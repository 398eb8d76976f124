"""From what a user asks for to the plan of a study; and what a resumed study may change, and what not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medgraft.data import Manifest, apply_split_file
from medgraft.data.formats import file_of
from medgraft.errors import RecipeError, RunError, counted, listing, suggest
from medgraft.evaluation.label_metrics import label_metric_names
from medgraft.evaluation.metrics import METRICS
from medgraft.initialisation import Initialisation
from medgraft.pipeline.prepare import complete
from medgraft.recipe import Recipe
from medgraft.studies.folder import AXES, Plan, Study
from medgraft.studies.grid import Grid, sizes_of
from medgraft.studies.search import require_optuna
from medgraft.studies.terms import Terms

INITS = ("RI", "ST", "WT")
STRATEGY = "full"
SEEDS = 3


@dataclass(frozen=True)
class Asked:
    """What a user asks for. An axis that is None was not named: a new study has a default, a resumed one its own.

    Attributes
    ----------
    recipe : with the options that were given, and those alone chosen.
    seeds : how many, from the recipe's seed on, or which.
    sizes : numbers of training images, and ``all``.
    lr_grid : rates to try.
    lr_trials : how many rates optuna is to try between the least and the greatest of them, instead of these.
    metric : the score that the study is to be told by.
    """

    recipe: Recipe
    encoders: tuple[str, ...] | None = None
    inits: tuple[str, ...] | None = None
    strategies: tuple[str, ...] | None = None
    sizes: tuple[int | str | None, ...] | None = None
    seeds: int | tuple[int, ...] | None = None
    lr_grid: tuple[float, ...] | None = None
    lr_trials: int | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        chosen = self.recipe.chosen()
        if self.recipe.model == "unet":
            raise RecipeError("model: a study compares initialisations of encoders, and unet has none.")
        if chosen.get("train_images") is not None:
            raise RecipeError("train_images: in a study the axis n says how many images cells learn from.")

    def grid(self, known: Grid | None = None) -> Grid:
        """The cells; those axes that were not named are those of ``known``, or have their defaults."""
        recipe = self.recipe
        chosen = recipe.chosen()
        if known is None:
            # A recipe names one encoder, initialisation and strategy: those of a study of nothing else.
            inits = INITS if recipe.init is None else (recipe.init,)
            strategy = recipe.strategy if "strategy" in chosen else STRATEGY
            seeds = tuple(range(recipe.seed, recipe.seed + SEEDS))
            known = Grid((recipe.encoder,), inits, (strategy,), (None,), seeds, recipe.folds)
        seeds = known.seeds
        if isinstance(self.seeds, int):
            if self.seeds < 1:
                raise RecipeError("seeds: a study needs at least one.")
            seeds = tuple(range(known.seeds[0], known.seeds[0] + self.seeds))
        elif self.seeds is not None:
            seeds = self.seeds
        return Grid(
            self.encoders or known.encoders,
            tuple(str(Initialisation.parse(init)) for init in self.inits) if self.inits else known.inits,
            self.strategies or known.strategies,
            known.sizes if self.sizes is None else sizes_of(self.sizes),
            seeds,
            recipe.folds if "folds" in chosen else known.folds,
        )


def new_plan(asked: Asked, manifest: Manifest) -> Plan:
    """The plan of a study that begins; raises RecipeError where options contradict each other."""
    _refuse_foreign_metric(asked.metric, manifest)
    terms = Terms.of(asked.recipe, asked.lr_grid, asked.lr_trials)
    if terms.trials is not None:
        require_optuna()
    grid = asked.grid()
    recipe = complete(_common(asked.recipe), manifest)
    if "checkpoint_every" not in asked.recipe.chosen():
        # A cell is soon trained again, and a checkpoint in each epoch would take a good part of a small one's time.
        recipe = Recipe.make(recipe, checkpoint_every=recipe.epochs)
    plan = Plan(describe(manifest), grid, terms, recipe, metric=asked.metric)
    _refuse_contradictions(plan)
    return plan


def continued_plan(asked: Asked, study: Study, manifest: Manifest) -> Plan:
    """The plan of a study that goes on, perhaps with more cells.

    Raises
    ------
    RecipeError
        Where an option of the recipe is another than it was (each is named: was, now), or cells are left out.
    RunError
        Where the study is of other data.
    """
    plan = study.plan
    changed = [
        *_changed_options(asked.recipe, plan.recipe), *_changed_terms(asked, plan.terms),
        *_changed_axes(asked, plan.grid),
    ]  # fmt: skip
    if changed:
        raise RecipeError(
            f"{study.folder} was begun with another recipe, and cells of two recipes cannot be compared; changed (was "
            f"-> now): {', '.join(changed)}. Leave these options out, or begin another study with another --out."
        )
    now = describe(manifest)
    if now["digest"] != plan.data["digest"]:
        raise RunError(
            f"{study.folder} is a study of {plan.data['name']} ({plan.data['images']} images, {plan.data['root']}), "
            f"and {now['name']} ({now['images']} images, {now['root']}) is other data, or the same after a change. "
            "Begin another study with another --out."
        )
    _refuse_other_split(asked.recipe.split_file, study, manifest)
    _refuse_foreign_metric(asked.metric, manifest)
    grid = asked.grid(plan.grid)
    grid.refuse_missing(plan.grid)
    plan = replace(plan, grid=grid, metric=asked.metric or plan.metric)
    _refuse_contradictions(plan)
    return plan


def describe(manifest: Manifest) -> dict[str, Any]:
    """What a study writes down of its data."""
    return {
        "name": manifest.name,
        "root": manifest.name if manifest.withheld else str(manifest.root),
        "images": len(manifest),
        "digest": _digest(manifest),
    }


def default_place(manifest: Manifest) -> Path:
    """``studies/DATA``."""
    return Path("studies") / manifest.name


def _digest(manifest: Manifest) -> str:
    """Of names, labels, groups and sizes of files: another disk changes none of them, other data does."""
    table = manifest.table
    digest = hashlib.sha256(repr(manifest.classes).encode())
    for column in ("id", "group", *(["target"] if manifest.classes else [])):
        if column in table:
            digest.update("\0".join([column, *table[column]]).encode())
    for column in ("image", *([] if manifest.classes else ["target"])):
        files = dict.fromkeys(file_of(address) for address in table[column])
        digest.update(repr([_bytes(file) for file in files]).encode())
    return digest.hexdigest()[:32]


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _refuse_foreign_metric(metric: str | None, manifest: Manifest) -> None:
    """Raise RecipeError for a score that cells on this data do not have, before hours are spent on them."""
    if metric is None:
        return
    classes = manifest.classes
    known = METRICS if classes is None else label_metric_names(classes.names, classes.multilabel)
    if metric in known or (classes is None and metric.startswith(tuple(f"{name}_" for name in known))):
        return
    raise RecipeError(
        f"metric: runs on {manifest.name} have no score {metric!r}; there are {listing(known)}.{suggest(metric, known)}"
    )


def _common(recipe: Recipe) -> Recipe:
    """The recipe without what cells differ in; ``split_file`` stays, as the study's own split is made from it."""
    chosen = recipe.chosen()
    return Recipe.make(**{name: value for name, value in chosen.items() if name not in AXES})


def _refuse_contradictions(plan: Plan) -> None:
    """Make the recipe of every kind of cell, so that what cannot be is refused before any work."""
    for cell in plan.grid.cells():
        plan.recipe_of(cell, plan.terms.rates[0])


def _changed_options(now: Recipe, was: Recipe) -> list[str]:
    saved = was.options()
    chosen: Iterable[tuple[str, Any]] = now.chosen().items()
    return [
        f"{name} ({_word(saved[name])} -> {_word(value)})"
        for name, value in chosen
        if name not in AXES and value != saved[name]
    ]


def _changed_terms(asked: Asked, was: Terms) -> list[str]:
    chosen: Mapping[str, Any] = asked.recipe.chosen()
    given: dict[str, tuple[Any, Any]] = {}
    if asked.lr_grid is not None:
        given["lr_grid"] = (list(was.rates), list(asked.lr_grid))
    if asked.lr_trials is not None:
        given["lr_trials"] = (was.trials, asked.lr_trials)
    if "lr" in chosen:
        given["lr"] = (list(was.rates), [chosen["lr"]])
    for name in ("encoder_lr", "decay"):
        if name in chosen:
            given[name] = (getattr(was, name), chosen[name])
    return [f"{name} ({_word(before)} -> {_word(after)})" for name, (before, after) in given.items() if before != after]


def _changed_axes(asked: Asked, was: Grid) -> list[str]:
    """What a recipe names of an axis that was not named itself, and the study does not have."""
    chosen = asked.recipe.chosen()
    axes = {
        "encoder": (asked.encoders, was.encoders),
        "init": (asked.inits, was.inits),
        "strategy": (asked.strategies, was.strategies),
    }
    return [
        f"{name} ({_word(list(before))} -> {chosen[name]})"
        for name, (named, before) in axes.items()
        if named is None and chosen.get(name) is not None and chosen[name] not in before
    ]


def _refuse_other_split(file: Path | None, study: Study, manifest: Manifest) -> None:
    """Raise RecipeError where a split is given that is not the one which all cells of the study have."""
    own = study.split_file()
    if file is None or not own.is_file():
        return
    given, had = (apply_split_file(manifest, each).table["split"].tolist() for each in (file, own))
    if given != had:
        many = sum(one != other for one, other in zip(given, had, strict=True))
        raise RecipeError(
            f"split_file: {file} has another split for {counted(many, 'image')} than {own}, which the study was begun "
            "with. Leave it out, or begin another study with another --out."
        )


def _word(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
