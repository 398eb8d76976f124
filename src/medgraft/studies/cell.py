"""One cell of a study: what is trained, from where, on how many images, with which seed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ALL = "all"
"""How "all training images" is written, where a number of them could stand."""
_LONGEST = 100
"""Characters of an encoder's name that a folder's name has room for."""


@dataclass(frozen=True)
class Cell:
    """One training of a study.

    Attributes
    ----------
    encoder : its name, or ``NAME@WEIGHTS`` with what the option ``weights`` takes.
    init : the initialisation, as the option ``init`` takes it (``RI``, ``ST``, ``WT`` and others).
    strategy : what learns.
    n : training images; None for all of them.
    seed : of the images drawn, the weights drawn, the order and the augmentation.
    fold : of a study by cross-validation, counted from 1; 0 where there is one split.
    """

    encoder: str
    init: str
    strategy: str
    n: int | None = None
    seed: int = 0
    fold: int = 0

    @property
    def id(self) -> str:
        """A name that can be read, and that a folder can have; different cells have different ones."""
        parts = [_plain(self.encoder), _plain(self.init), self.strategy, f"n{self.amount}", f"s{self.seed}"]
        return "-".join([*parts, f"f{self.fold}"] if self.fold else parts)

    @property
    def amount(self) -> str:
        """The number of training images as it is written."""
        return ALL if self.n is None else str(self.n)

    @property
    def encoder_name(self) -> str:
        """The encoder without its weights."""
        return self.encoder.partition("@")[0]

    @property
    def weights(self) -> str | None:
        """The weights that this encoder is to have; None for those that the study's recipe says."""
        return self.encoder.partition("@")[2] or None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Cell:
        """The cell that :meth:`to_dict` wrote."""
        return cls(**{name: plain[name] for name in cls.__dataclass_fields__})


def _plain(text: str) -> str:
    """``text`` as a part of a folder's name: of a weights file its stem, and a digest where anything was left out."""
    name, at, weights = text.partition("@")
    short = f"{name}+{Path(weights).stem}" if at else name
    kept = re.sub(r"[^A-Za-z0-9_.+-]", "_", short)[:_LONGEST]
    if kept == text:
        return kept
    return f"{kept}+{hashlib.sha256(text.encode()).hexdigest()[:6]}"
