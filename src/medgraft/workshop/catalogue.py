"""The exercises, by id; each module of ``exercises`` holds one."""

from __future__ import annotations

import importlib
import re

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


_OWN = "from medgraft.workshop.solutions."
"""How a solution names those of earlier exercises; a notebook has them, under the same names."""


def solution_of(name: str) -> str:
    """The source of a right solution, to read. What earlier exercises define is taken for granted."""
    from importlib.resources import files

    exercise_of(name)
    text = files("medgraft.workshop.solutions").joinpath(f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(_OWN)]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines) + "\n")
