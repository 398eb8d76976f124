"""How much a learner's code may take before it is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_BLOCK = 1 << 12
"""Bytes that even an empty file counts, so that a great many of them are noticed as well."""
_DEEPEST = 40
"""Folders in folders; beyond that a path soon gets longer than a system can follow, and its files go uncounted."""


@dataclass(frozen=True)
class Limits:
    """Bounds for a process that runs somebody else's code.

    Attributes
    ----------
    seconds : of computing, to load the object or to run a cell.
    patience : how many times that by the clock. What sleeps computes nothing, and what shares a busy machine with
        others computes a part of the time.
    memory : bytes that its processes may hold together, beyond what PyTorch alone takes.
    printed : bytes that it may print.
    written : bytes of all files that it may leave behind; None: as many as it likes.
    processes : that it may run at a time, its own among them.
    """

    seconds: float = 20.0
    patience: float = 3.0
    memory: int = 2 << 30
    printed: int = 1 << 20
    written: int | None = None
    processes: int = 64


@dataclass(frozen=True)
class Taken:
    """What a process and all that it started hold together: seconds of computing, bytes of memory, processes."""

    seconds: float = 0.0
    memory: int = 0
    processes: int = 0


def taken(pid: int) -> Taken:
    """What a process and its children hold now; nothing where it is gone."""
    seconds, memory = 0.0, 0
    members = family(pid)
    for process in members:
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory += process.memory_info().rss
            seconds += times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            continue
    return Taken(seconds, memory, len(members))


def family(pid: int) -> list[Any]:
    """A process and all that it started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def on_disk(folder: Path, most: int) -> int:
    """Bytes of the files in a folder; it stops counting beyond ``most``. Links are not followed.

    Folders that lie too deep count as too much.
    """
    total, top = 0, len(folder.parts)
    for root, folders, files in os.walk(folder):
        if folders and len(Path(root).parts) - top > _DEEPEST:
            return most + 1
        total += _BLOCK * len(folders)
        for name in files:
            try:
                total += max(_BLOCK, (Path(root) / name).lstat().st_size)
            except OSError:
                continue
            if total > most:
                return total
    return total
