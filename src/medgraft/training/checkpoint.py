"""What a training needs to go on as if nothing had happened, in one file that is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medgraft.errors import RunError
from medgraft.files import replacing
from medgraft.weightfile import save_weights

FORMAT = 1


class Checkpoint:
    """The folder ``checkpoint/`` of a run: ``last.pt`` to go on from, ``best.safetensors`` to keep.

    ``last.pt`` is written after ``best.safetensors``: a kill between the two leaves an older ``last.pt``, from which
    the same epoch runs again and writes the same best weights.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def last(self) -> Path:
        """The state after the last whole epoch."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The weights with the best validation score so far."""
        return self.folder / "best.safetensors"

    def save_state(self, state: dict[str, Any]) -> None:
        """Write tensors and plain values as the state to resume from."""
        with replacing(self.last) as temporary:
            torch.save({"format": FORMAT} | state, temporary)

    def load_state(self) -> dict[str, Any]:
        """Read the state to resume from; raises RunError where there is none or it is not one."""
        if not self.last.exists():
            raise RunError(f"{self.last} is missing, so there is nothing to resume; train again with another --out.")
        try:
            state: dict[str, Any] = torch.load(self.last, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(f"{self.last} cannot be read ({type(error).__name__}); it is not a checkpoint.") from None
        if state.get("format") != FORMAT:
            raise RunError(f"{self.last} has format {state.get('format')}; this version reads {FORMAT}.")
        return state

    def save_best(self, state: dict[str, Tensor]) -> None:
        """Write the weights to keep."""
        save_weights(self.best, state)
