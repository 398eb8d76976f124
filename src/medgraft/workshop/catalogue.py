"""The exercises, by id; each module of ``exercises`` holds one."""

from __future__ import annotations

import importlib

from medgraft.errors import RecipeError, listing, suggest
from medgraft.workshop.exercise import Exercise

EXERCISES = (
    "dataset", "mean-std", "augmentation", "paired-augmentation", "split-loaders", "double-conv", "down", "up",
    "unet", "dice-loss", "smart-up", "encoder-unet", "freeze", "layer-wise-rates", "grey-input", "group-split",
    "linear-cka", "threshold",
)  # fmt: skip
"""In the order of the notebooks."""


def exercise_of(name: str) -> Exercise:
    """The exercise; RecipeError with the names there are where there is none."""
    if name not in EXERCISES:
        raise RecipeError(f"there is no exercise {name!r}; there are {listing(EXERCISES, 30)}."
                          f"{suggest(name, EXERCISES)}")  # fmt: skip
    module = importlib.import_module(f"medgraft.workshop.exercises.{name.replace('-', '_')}")
    found: Exercise = module.EXERCISE
    return found


def solution_of(name: str) -> str:
    """The source of a right solution, to read."""
    from importlib.resources import files

    exercise_of(name)
    return files("medgraft.workshop.solutions").joinpath(f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
