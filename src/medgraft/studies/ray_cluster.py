"""The Ray cluster that a study runs on: found or started within bounded time, asked what it has, and left."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medgraft.errors import RecipeError

AUTO = "auto"
_DIAL, _PROBE = 5.0, 60.0
"""Seconds to wait for an open port, and for Ray to answer there; Ray itself tries for minutes."""
_MOST_CPUS = 8
_STORE = 100 * 2**20
"""Bytes of shared memory of a cluster that is started here: workers hand over rows, and read images from files."""
_ASK = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='CRITICAL')"
_QUIET: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}


@dataclass(frozen=True)
class Need:
    """What one cell asks of its node: whole CPUs, and a number or share of GPUs."""

    cpus: int
    gpus: float

    @classmethod
    def of(cls, nodes: Sequence[Mapping[str, float]], cpus: int | None, gpus: float | None) -> Need:
        """What was asked for; else a GPU where any node has one, with its part of the CPUs, or one CPU.

        Raises RecipeError where no node has so much.

        Parameters
        ----------
        nodes : the resources of each, as Ray names them.
        """
        if gpus is None:
            gpus = 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
        if cpus is None:
            parts = [node.get("CPU", 0) / node["GPU"] * gpus for node in nodes if node.get("GPU", 0) >= gpus > 0]
            cpus = max(1, min([_MOST_CPUS, *(int(part) for part in parts)])) if parts else 1
        need = cls(cpus, gpus)
        if not need.slots(nodes):
            most = [max((node.get(name, 0) for node in nodes), default=0) for name in ("CPU", "GPU")]
            raise RecipeError(
                f"ray: a cell asks for {cpus} CPUs and {gpus:g} GPUs, and no node of the cluster has both (the most "
                f"are {most[0]:g} CPUs and {most[1]:g} GPUs); ask for less with ray_cpus and ray_gpus."
            )
        return need

    def slots(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """How many cells these nodes can train at a time."""
        return sum(self._in(node) for node in nodes)

    def _in(self, node: Mapping[str, float]) -> int:
        fits = [int(node.get("CPU", 0) // self.cpus)]
        if self.gpus:
            gpus = node.get("GPU", 0)
            # A share is taken from one GPU, so of three tenths three go on each.
            fits.append(int(gpus) * int(1 / self.gpus + 1e-9) if self.gpus < 1 else int(gpus // self.gpus))
        return min(fits)


def require_ray(cpus: int | None, gpus: float | None, jobs: int) -> None:
    """Raise RecipeError where options contradict each other, or Ray is not installed."""
    if jobs > 1:
        raise RecipeError("jobs: with ray the cluster says how many cells are trained at a time; leave jobs out.")
    if cpus is not None and cpus < 1:
        raise RecipeError(f"ray_cpus: a cell needs at least one CPU (got {cpus}).")
    if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
        raise RecipeError(f"ray_gpus: give 0, a share of one GPU such as 0.5, or a whole number (got {gpus:g}).")
    if find_spec("ray") is None:
        raise RecipeError("ray: Ray is not installed; add it by: pip install 'medgraft[study]'")


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Connect this process to a cluster, and leave it at the end; one that is started here ends as well.

    Parameters
    ----------
    address : ``HOST:PORT``, or ``auto`` for that of ``RAY_ADDRESS``, or one that runs on this machine, or a new one.

    Raises
    ------
    RecipeError
        Where nobody answers as Ray does.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # as it is today; unset, Ray prints a remark
    import ray

    if ray.is_initialized():  # by the program that calls us, and to be left as it was
        yield
        return
    found = _running() if address == AUTO else _reached(address)
    scratch = None if found else Path(tempfile.mkdtemp(prefix="medgraft-ray-"))
    try:
        if found:
            ray.init(address=found, **_QUIET)
        else:
            ray.init(
                address="local", include_dashboard=False, object_store_memory=_STORE, _temp_dir=str(scratch), **_QUIET
            )
        yield
    finally:
        ray.shutdown()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def alive() -> list[dict[str, float]]:
    """The resources of each node that answers."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _running() -> str | None:
    """The address of a cluster that runs, if any does."""
    named = os.environ.get("RAY_ADDRESS", "")
    if named and named not in (AUTO, "local"):
        return _reached(named)
    root = os.environ.get("RAY_TMPDIR") or (os.environ.get("TMPDIR") if sys.platform == "linux" else None) or "/tmp"
    try:  # ``ray start`` writes it, and a crash leaves it behind
        return _reached((Path(root) / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip())
    except (OSError, RecipeError):
        return None


def _reached(address: str) -> str:
    """``address``, where a Ray cluster answers."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise RecipeError(
            f"ray: {address!r} is no address; give HOST:PORT of the cluster's head (as ray start prints it), or auto."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _DIAL).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecipeError(f"ray: nobody answers at {address} ({reason}); is the cluster running there?") from None
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, address], capture_output=True, text=True, timeout=_PROBE, check=False
        )
    except subprocess.TimeoutExpired:
        raise RecipeError(
            f"ray: {address} is open, but no Ray cluster answered within {_PROBE:.0f} s; give the address of its head, "
            "and begin the study on one of its nodes."
        ) from None
    if asked.returncode:
        reason = next((line for line in reversed(asked.stderr.splitlines()) if line.strip()), "it gave no reason")
        raise RecipeError(f"ray: the cluster at {address} cannot be joined ({' '.join(reason.split())[:300]}).")
    return address
