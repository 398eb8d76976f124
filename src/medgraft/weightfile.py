"""Trained weights on disk: safetensors, whole or not at all, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from medgraft.errors import RunError
from medgraft.files import replacing


def save_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors, whole or not at all."""
    with replacing(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; raises RunError where it is missing or cut short."""
    try:
        state: dict[str, Tensor] = load_file(path)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise RunError(
            f"{path} cannot be read as weights ({reason}); copy the whole file once more from where it came, or train "
            "again."
        ) from None
    return state
