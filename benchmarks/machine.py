"""On what a figure was measured, in words; and the Markdown that a benchmark prints."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16", "sve")
_PACKAGES = ("torch", "onnxruntime", "openvino", "albumentations")


def describe_machine() -> str:
    """Cores, processor flags that matter here, memory, versions, and how busy the machine was already."""
    flags = [flag for flag in _TELLING_FLAGS if flag in _cpu_flags()]
    memory = psutil.virtual_memory().total / 1e9
    parts = [
        f"{os.cpu_count()} CPU cores ({platform.machine()}{': ' + ' '.join(flags) if flags else ''})",
        f"{torch.get_num_threads()} torch threads",
        f"{memory:.0f} GB memory",
        f"{platform.system()}, Python {platform.python_version()}",
        *[f"{name} {found}" for name in _PACKAGES if (found := _version(name))],
    ]
    busy = f"load {os.getloadavg()[0]:.1f} when it began" if hasattr(os, "getloadavg") else ""
    return ", ".join([*parts, busy] if busy else parts)


def heading(title: str, machine: str) -> str:
    """A title, the command that is running, and the machine."""
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return f"## {title}\n\n`{command}`\n\nOn {machine}.\n"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def say(line: str) -> None:
    """Progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    wanted = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return set(next(wanted, "").split())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
