"""Who trains the cells of a study, by what the user asks for: this process, several here, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medgraft.errors import RecipeError
from medgraft.studies.processes import Processes
from medgraft.studies.ray_cluster import Need, alive, joined, require_ray
from medgraft.studies.ray_runner import OnRay
from medgraft.studies.runner import InTurn, Runner


@contextmanager
def workforce(
    jobs: int, ray: str | None, ray_cpus: int | None, ray_gpus: float | None, say: Callable[[str], None]
) -> Iterator[Runner]:
    """Yield the runner; a cluster is joined before and left after. The options are those of ``study``.

    Raises
    ------
    RecipeError
        Where they contradict each other, Ray is not installed, no cluster answers, or no node has what a cell asks for.
    """
    if jobs < 1:
        raise RecipeError(f"jobs: at least one process is needed (got {jobs}).")
    if ray is None:
        if ray_cpus is not None or ray_gpus is not None:
            raise RecipeError("ray_cpus and ray_gpus say what a cell asks of a Ray cluster; give ray as well.")
        yield Processes(jobs) if jobs > 1 else InTurn()
        return
    require_ray(ray_cpus, ray_gpus, jobs)
    with joined(ray):
        yield OnRay(Need.of(alive(), ray_cpus, ray_gpus), say)
