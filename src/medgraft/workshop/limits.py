"""How much a learner's code may take before it is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_BLOCK = 1 << 12
"""Bytes that even an empty file counts, so that a great many of them are noticed as well."""


@dataclass(frozen=True)
class Limits:
    """Bounds for a process that runs somebody else's code.

    Attributes
    ----------
    seconds : to load the object or to run a cell.
    memory : bytes that its processes may hold together, beyond what PyTorch alone takes.
    printed : bytes that it may print.
    written : bytes of all files that it may leave behind; None: as many as it likes.
    """

    seconds: float = 20.0
    memory: int = 2 << 30
    printed: int = 1 << 20
    written: int | None = None


def resident(pid: int) -> int:
    """Bytes of memory that a process and its children hold; 0 where it is gone."""
    total = 0
    for process in family(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def family(pid: int) -> list[Any]:
    """A process and all that it started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def on_disk(folder: Path, most: int) -> int:
    """Bytes of the files in a folder; it stops counting beyond ``most``. Links are not followed."""
    total = 0
    for root, folders, files in os.walk(folder):
        total += _BLOCK * len(folders)
        for name in files:
            try:
                total += max(_BLOCK, (Path(root) / name).lstat().st_size)
            except OSError:
                continue
            if total > most:
                return total
    return total
