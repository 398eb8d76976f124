"""How the threads of different libraries share the cores."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

SPINS = "10000"


def share_cores() -> None:
    """Let PyTorch's threads sleep soon after their work, unless the user has set how long they wait for more.

    By default GNU OpenMP's threads spin for milliseconds, on cores that the engine of the frozen encoder wants next.
    The setting is read once, when PyTorch is loaded: call this before ``import torch``.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


@cache
def openvino_core() -> Any:
    """OpenVINO's core, one for the whole process; ImportError where OpenVINO is not installed.

    Each core gives the thread another stack for signal handlers and on its end puts back the one it found. Of two
    cores the first to end leaves the stack of a thread on freed memory, where the next signal is fatal: the end of
    a loader's worker, for one.
    """
    import openvino

    return openvino.Core()
