"""Where a training runs: what the recipe wants and the machine has."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from medgraft.errors import RecipeError

PATIENCE = timedelta(hours=12)
"""How long processes wait for the main one, which decodes and evaluates alone; the usual ten minutes are too few."""


def accelerator_for(device: str) -> Accelerator:
    """The accelerator of a recipe's ``device``; ``auto`` takes a GPU where there is one.

    Raises
    ------
    RecipeError
        Where a GPU is asked for by name and this machine has none: the CPU would take hours in silence.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True, "auto": True}
    if not there[device]:
        raise RecipeError(f"device: this machine has no {device}; leave the option out, or choose cpu.")
    # Without the word cpu, accelerate starts no process group on a machine that has no GPU.
    on_cpu = device == "cpu" or not (there["cuda"] or there["mps"])
    return Accelerator(cpu=on_cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
