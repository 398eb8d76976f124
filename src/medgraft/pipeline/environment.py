"""What a run was made with: versions, machine, memory."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import psutil
import timm
import torch
from accelerate import Accelerator

from medgraft.version import __version__


def environment(accelerator: Accelerator) -> dict[str, Any]:
    """Versions and machine, as far as they may bear on the result."""
    return {
        "medgraft": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "timm": timm.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
    }


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    if sys.platform == "win32":
        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
