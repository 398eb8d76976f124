"""Reading a file of weights without running anything that is in it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from medgraft.errors import WeightsError

# Training programs wrap the state in a checkpoint under one of these names.
_WRAPPERS = ("state_dict", "model_state_dict", "state_dict_ema", "model", "model_state", "net", "encoder")


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a .safetensors file or a torch state dict (``weights_only=True``).

    Raises
    ------
    WeightsError
        When the file is missing, damaged, holds more than tensors, or holds no named tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file of weights. Give a .safetensors file or a state dict.")
    try:
        if path.suffix == ".safetensors":
            raw: Any = load_file(path)
        else:
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path}: not a plain state dict; it is damaged, or it holds Python objects, which are not read, "
            "because reading them can run code. Save the tensors alone, best as .safetensors."
        ) from None
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise WeightsError(f"{path}: cannot be read as weights ({reason}). Download or save it again.") from None
    return _named_tensors(raw, path)


def _named_tensors(raw: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(raw, Mapping):
        state = {str(key): value for key, value in raw.items() if isinstance(value, Tensor)}
        if state:
            return state
        raw = next((raw[key] for key in _WRAPPERS if key in raw), None)
    raise WeightsError(f"{path}: holds no tensors by name. Save a state dict: torch.save(model.state_dict(), FILE).")
