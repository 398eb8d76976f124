"""How the threads of different libraries share the cores."""

from __future__ import annotations

import os

SPINS = "10000"


def share_cores() -> None:
    """Let PyTorch's threads sleep soon after their work, unless the user has set how long they wait for more.

    By default GNU OpenMP's threads spin for milliseconds, on cores that the engine of the frozen encoder wants next.
    The setting is read once, when PyTorch is loaded: call this before ``import torch``.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
