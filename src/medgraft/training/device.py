"""Where a training runs: what the recipe wants and the machine has."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from medgraft.errors import RecipeError

PATIENCE = timedelta(hours=12)
"""How long processes wait for the main one, which decodes and evaluates alone; the usual ten minutes are too few."""


def require_device(device: str) -> None:
    """Raise RecipeError where a GPU is asked for by name and there is none: the CPU would take hours in silence."""
    there = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[device]:
        raise RecipeError(
            f"device: torch {torch.__version__} finds no {device} device here; choose cpu, or auto for what there is."
        )


def accelerator_for(device: str) -> Accelerator:
    """The accelerator of a recipe's ``device``; ``auto`` takes a GPU where there is one.

    Raises
    ------
    RecipeError
        As :func:`require_device`.
    """
    require_device(device)
    # Without the word cpu, accelerate starts no process group on a machine that has no GPU.
    on_cpu = device == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return Accelerator(cpu=on_cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
