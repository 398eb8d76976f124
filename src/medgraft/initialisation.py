"""What an encoder starts from: the value behind the option ``init``. How it is done: medgraft.transfer.initialise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from medgraft.errors import RecipeError, counted

Kind = Literal["WT", "ST", "RI", "mean_var", "WT-ST", "slim"]

FORMS = (
    "there are WT, ST, RI, mean_var, WT-ST-N (the weights of the first N blocks, statistics behind them) and slim-N "
    "(the weights of the first N blocks, a random top of half the width behind them)"
)

_KINDS: dict[str, Kind] = {kind.casefold(): kind for kind in get_args(Kind)}
_STAGED = {"WT-ST": 0, "slim": 1}
"""Kinds that count blocks, and the fewest that can keep their weights."""


@dataclass(frozen=True)
class Initialisation:
    """What the tensors of an encoder start from.

    Attributes
    ----------
    kind : ``WT`` pretrained weights; ``ST`` their statistics alone; ``RI`` random, by the architecture's own scheme
        (the three of Matsoukas et al. 2022, arXiv:2203.01825); ``mean_var`` (Raghu et al. 2019, arXiv:1902.07208);
        ``WT-ST`` weights up to a block, statistics behind it; ``slim`` weights up to a block, and a narrower random
        top behind it. :mod:`medgraft.transfer.initialise` defines them.
    blocks : of ``WT-ST`` (from 0) and ``slim`` (from 1), how many blocks keep their weights, counted from the input;
        None for the others.

    Raises
    ------
    RecipeError
        Where ``blocks`` is missing, too small, or not asked for.
    """

    kind: Kind = "WT"
    blocks: int | None = None

    def __post_init__(self) -> None:
        least = _STAGED.get(self.kind)
        fits = self.blocks is None if least is None else self.blocks is not None and self.blocks >= least
        if self.kind not in get_args(Kind) or not fits:
            raise RecipeError(f"init: no initialisation {self.kind!r} with blocks {self.blocks}; {FORMS}.")

    def __str__(self) -> str:
        return self.kind if self.blocks is None else f"{self.kind}-{self.blocks}"

    @classmethod
    def parse(cls, text: str) -> Initialisation:
        """Read what :meth:`__str__` writes, in upper or lower case; RecipeError, with the forms, for anything else."""
        found = re.fullmatch(r"(.+?)(?:-(\d{1,4}))?", str(text).strip().casefold())
        kind = _KINDS.get(found[1]) if found else None
        if found is None or kind is None:
            raise RecipeError(f"init: no initialisation {text!r}; {FORMS}.")
        blocks = None if found[2] is None else int(found[2])
        if (kind in _STAGED) != (blocks is not None) or (blocks is not None and blocks < _STAGED[kind]):
            raise RecipeError(f"init: no initialisation {text!r}; {FORMS}.")
        return cls(kind, blocks)

    @property
    def pretrained(self) -> bool:
        """Whether pretrained weights are needed, as such or for their statistics."""
        return self.kind != "RI"

    def keeps(self, count: int) -> int:
        """How many of ``count`` blocks, from the input, start from pretrained weights as such; may be more."""
        return count if self.kind == "WT" else self.blocks or 0

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        return {
            "WT": "pretrained weights",
            "ST": "statistics of the weights alone: every tensor redrawn with its own mean and spread, norms reset",
            "RI": "random weights, drawn by the architecture's own scheme",
            "mean_var": "mean and variance of the weights alone: redrawn layer by layer, biases at 0, norms reset",
            "WT-ST": f"weights of the first {counted(self.blocks or 0, 'block')}, statistics alone behind them",
            "slim": f"weights of the first {counted(self.blocks or 0, 'block')}, a random top of half the width "
            "behind them",
        }[self.kind]


def checked_init(value: Any) -> Any:
    """An option ``init`` in its plain form, or None; ValueError, with the forms, for anything else."""
    if value is None:
        return None
    try:
        return str(Initialisation.parse(value))
    except RecipeError:
        raise ValueError(FORMS) from None
