"""The cells of a study: every value of each axis with every value of the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medgraft.errors import RecipeError, counted, listing
from medgraft.studies.cell import ALL, Cell

LEAST_IMAGES = 2
"""A training needs two images."""


@dataclass(frozen=True)
class Grid:
    """The axes of a study.

    Attributes
    ----------
    encoders, inits, strategies : see :class:`~medgraft.studies.cell.Cell`.
    sizes : numbers of training images; None stands for all.
    seeds : each cell is trained once with each.
    folds : of a cross-validation, in which each cell is trained once a fold; 0 for one split.
    """

    encoders: tuple[str, ...]
    inits: tuple[str, ...]
    strategies: tuple[str, ...]
    sizes: tuple[int | None, ...]
    seeds: tuple[int, ...]
    folds: int = 0

    def __post_init__(self) -> None:
        axes = {
            "encoder": self.encoders, "init": self.inits, "strategy": self.strategies, "n": self.sizes,
            "seeds": self.seeds,
        }  # fmt: skip
        for name, values in axes.items():
            twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
            if not values:
                raise RecipeError(f"{name}: a study needs at least one.")
            if twice:
                raise RecipeError(f"{name}: named twice in the study: {listing(_word(value) for value in twice)}.")
        small = [size for size in self.sizes if size is not None and size < LEAST_IMAGES]
        if small:
            raise RecipeError(f"n: a training needs at least {LEAST_IMAGES} images (got {small[0]}).")
        _refuse_strategies(self.strategies)

    def cells(self) -> tuple[Cell, ...]:
        """Every cell, in an order in which a part of the study tells something.

        All of one seed come first, the fewest images first, and those that are compared with one another side by side.
        """
        folds = range(1, self.folds + 1) if self.folds else (0,)
        sizes = sorted(self.sizes, key=lambda size: float("inf") if size is None else size)
        return tuple(
            Cell(encoder, init, strategy, size, seed, fold)
            for seed, fold, size, encoder, strategy, init in itertools.product(
                self.seeds, folds, sizes, self.encoders, self.strategies, self.inits
            )
        )

    def refuse_missing(self, earlier: Grid) -> None:
        """Raise RecipeError where this grid lacks cells of an ``earlier`` one of the same study."""
        if self.folds != earlier.folds:
            raise RecipeError(f"the study's grid has changed: folds ({earlier.folds} -> {self.folds}). {_ANOTHER}")
        cells = set(self.cells())
        missing = [cell.id for cell in earlier.cells() if cell not in cells]
        if missing:
            raise RecipeError(
                f"the study's grid has changed: {counted(len(missing), 'cell')} of it would be left out "
                f"({listing(missing, 3)}). Name all values that the study had; more may be added. {_ANOTHER}"
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values, all training images as ``all``."""
        plain = {name: list(values) if isinstance(values, tuple) else values for name, values in asdict(self).items()}
        return plain | {"sizes": [ALL if size is None else size for size in self.sizes]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Grid:
        """The grid that :meth:`to_dict` wrote."""
        axes = {name: tuple(plain[name]) for name in ("encoders", "inits", "strategies", "seeds")}
        return cls(**axes, sizes=sizes_of(plain["sizes"]), folds=int(plain["folds"]))


_ANOTHER = "Or begin another study with another --out."


def sizes_of(values: Iterable[Any]) -> tuple[int | None, ...]:
    """Numbers of training images as they are written: ``50``, ``200``, ``all``; raises RecipeError for others."""
    return tuple(_size(value) for value in values)


def _size(value: Any) -> int | None:
    if value is None or str(value).lower() == ALL:
        return None
    try:
        return int(str(value))
    except ValueError:
        raise RecipeError(f"n: a number of training images, or {ALL}, is wanted (got {value!r}).") from None


def _word(value: object) -> str:
    return ALL if value is None else str(value)


def _refuse_strategies(strategies: Sequence[str]) -> None:
    if "auto" in strategies:
        raise RecipeError("strategy: a study needs strategies by name, and auto is none; medgraft advise finds one.")
    if "scratch" in strategies:
        raise RecipeError("strategy: in a study scratch is strategy full with --init RI; leave scratch out.")
