"""What trains cells on a node of a Ray cluster: an actor, which keeps its desk from one cell to the next.

Nothing here imports Ray, nor PyTorch before its threads are set.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft.version import __version__

if TYPE_CHECKING:
    from medgraft.data import Manifest
    from medgraft.studies.cell import Cell
    from medgraft.studies.desk import Desk

CARRIED = ("MEDGRAFT_", "HF_", "TORCH_HOME", "XDG_CACHE_HOME")
"""How the names of environment variables begin that a worker takes over."""
_PATIENCE = 5.0
"""Seconds that a shared file system may take to show a new file on another machine."""


@dataclass(frozen=True)
class Job:
    """What every worker of a study is told.

    Attributes
    ----------
    folder : the study's, absolute.
    token : what :meth:`~medgraft.studies.underway.Underway.mark` wrote there.
    here : the folder in which the study was begun; relative paths are read from it.
    files : some of the data's files.
    environment : variables to set.
    threads : that a cell computes with.
    version : of medgraft, where the study was begun.
    """

    folder: Path
    token: str
    here: Path
    files: tuple[Path, ...]
    environment: Mapping[str, str]
    threads: int
    version: str

    @staticmethod
    def carried() -> dict[str, str]:
        """The variables of this process that workers are to have."""
        return {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}


class Worker:
    """Trains one cell after another; ``look`` comes first."""

    def __init__(self, job: Job, manifest: Manifest) -> None:
        self.job, self.manifest = job, manifest
        self._desk: Desk | None = None

    def look(self) -> tuple[str, str]:
        """The name of this machine, and why no cell can be trained here, in one sentence, or an empty string."""
        return platform.node(), self._obstacle()

    def train(self, cell: Cell, place: Path) -> Any:
        """Train ``cell`` in ``place``, and return its row."""
        from medgraft.studies.training import run_cell

        return run_cell(self._opened(), cell, place)

    def _obstacle(self) -> str:
        job = self.job
        if job.version != __version__:
            return f"it has medgraft {__version__}, and the study was begun by {job.version}; install one on all nodes"
        if not self._sees():
            return (
                f"it does not see {job.folder} as the machine does that began the study; the folder must lie on a file "
                "system that all nodes share, under the same path"
            )
        missing = next((file for file in job.files if not file.is_file()), None)
        if missing is not None:
            return (
                f"it does not see the data ({missing}); the images must lie on a file system that all nodes share, "
                "under the same path"
            )
        return ""

    def _sees(self) -> bool:
        from medgraft.studies.underway import seen

        end = time.monotonic() + _PATIENCE
        while not seen(self.job.folder, self.job.token):
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True

    def _opened(self) -> Desk:
        if self._desk is None:
            job = self.job
            os.environ.update(job.environment)
            os.environ["OMP_NUM_THREADS"] = str(job.threads)
            if job.here.is_dir():
                os.chdir(job.here)
            from medgraft.threads import share_cores

            share_cores()
            import torch

            torch.set_num_threads(job.threads)
            from medgraft.studies.desk import Desk
            from medgraft.studies.folder import Study

            self._desk = Desk(Study(job.folder), self.manifest)
        return self._desk
