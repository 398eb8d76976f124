"""What the cells of one process share: data that is opened and decoded once, and recipes on equal terms."""

from __future__ import annotations

from typing import Any

from medgraft.data import Manifest
from medgraft.pipeline.prepare import Prepared, prepare
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.studies.cell import Cell
from medgraft.studies.folder import Study

_KEPT = 2
"""Subsets of the training images whose statistics and remarks are kept; cells come sorted by them."""


class Desk:
    """Where a process trains cells of a study, one after another.

    Parameters
    ----------
    manifest : the study's data, opened.
    """

    def __init__(self, study: Study, manifest: Manifest) -> None:
        self.study, self.manifest, self.plan = study, manifest, study.plan
        self._prepared: dict[tuple[Any, ...], Prepared] = {}

    def recipe(self, cell: Cell, rate: float) -> Recipe:
        """The recipe of a cell at a learning rate; raises RecipeError where its options contradict each other."""
        return self.plan.recipe_of(cell, rate, self.study.split_file(cell.fold))

    def prepared(self, recipe: Recipe) -> Prepared:
        """The data of a recipe of this study, as :func:`~medgraft.pipeline.prepare.prepare` makes it."""
        subset = None if recipe.train_images is None else (recipe.train_images, recipe.seed)
        key = (recipe.split_file, subset)
        if key not in self._prepared:
            while len(self._prepared) >= _KEPT:
                del self._prepared[next(iter(self._prepared))]
            self._prepared[key] = prepare(self.manifest, recipe, Observer())
        return self._prepared[key]
