"""Equal terms: the learning rates that every cell may try, and the rates of its encoder's blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medgraft.errors import RecipeError
from medgraft.recipe import Recipe

RATES = (1e-4, 3e-4, 1e-3)
"""The learning rates that are tried where the user names none."""


@dataclass(frozen=True)
class Terms:
    """What every cell of a study may spend on its learning rate; the same for each initialisation.

    Attributes
    ----------
    rates : each cell is trained once with every one of them, and keeps the best by validation.
    trials : None for that; else so many rates between the least and the greatest of them, found by optuna.
    encoder_lr : rate of the deepest encoder block; None for the rate that is tried.
    decay : factor from a block's rate to that of the block before it. It is 1 unless the user says otherwise: lower
        rates near the input protect pretrained weights, and would keep random ones from learning.
    """

    rates: tuple[float, ...]
    encoder_lr: float | None = None
    decay: float = 1.0
    trials: int | None = None

    def __post_init__(self) -> None:
        wrong = [rate for rate in self.rates if not 0 < rate <= 1]
        if wrong or not self.rates:
            raise RecipeError(f"lr_grid: rates above 0 and up to 1 are wanted (got {wrong[0] if wrong else 'none'}).")
        if len(set(self.rates)) < len(self.rates):
            raise RecipeError("lr_grid: a rate is named twice.")
        if self.trials is not None and (self.trials < 2 or len(self.rates) < 2):
            raise RecipeError("lr_trials: a search needs two trials or more, and two rates (lr_grid) to look between.")

    @property
    def budget(self) -> int:
        """How many trainings each cell may spend."""
        return len(self.rates) if self.trials is None else self.trials

    @classmethod
    def of(cls, recipe: Recipe, lr_grid: tuple[float, ...] | None, trials: int | None = None) -> Terms:
        """The terms that a user's recipe and grid of rates ask for; raises RecipeError where these contradict."""
        chosen = recipe.chosen()
        if lr_grid is not None and "lr" in chosen:
            raise RecipeError("lr_grid: one rate (lr) is asked for as well; give one of them.")
        rates = lr_grid if lr_grid is not None else (recipe.lr,) if "lr" in chosen else RATES
        fixed = [name for name in ("encoder_lr", "block_lrs") if chosen.get(name) is not None]
        if fixed and len(rates) > 1:
            raise RecipeError(
                f"{fixed[0]}: rates of the encoder's own cannot go with several rates to try; give one rate (lr), "
                "or decay for layer-wise rates."
            )
        return cls(tuple(rates), chosen.get("encoder_lr"), chosen.get("decay", 1.0), trials)

    def options(self, rate: float) -> dict[str, Any]:
        """The options of a recipe that trains at ``rate``."""
        return {"lr": rate, "encoder_lr": rate if self.encoder_lr is None else self.encoder_lr, "decay": self.decay}

    def sentence(self) -> str:
        """For the user."""
        rates = ", ".join(f"{rate:g}" for rate in self.rates)
        blocks = (
            "all blocks at one rate" if self.encoder_lr is None and self.decay == 1 else "blocks at rates of their own"
        )
        if len(self.rates) == 1:
            return f"every cell learns at rate {rates}, {blocks}"
        if self.trials is not None:
            between = f"between {min(self.rates):g} and {max(self.rates):g}"
            return (
                f"every cell is trained at {self.trials} rates {between} that optuna finds, and keeps the best by "
                f"validation; {blocks}"
            )
        return f"every cell is trained at each of the rates {rates}, and keeps the best by validation; {blocks}"

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"rates": list(self.rates)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Terms:
        """The terms that :meth:`to_dict` wrote."""
        return cls(tuple(plain["rates"]), plain["encoder_lr"], plain["decay"], plain["trials"])
