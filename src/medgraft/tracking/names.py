"""Which trackers there are, and whether one is installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medgraft.errors import RecipeError, suggest
from medgraft.tracking.tracker import Tracker

TRACKERS = ("tensorboard", "mlflow", "wandb")
"""Each is the name of a package and of the extra that installs it."""


def checked_trackers(value: Any) -> Any:
    """Read ``tensorboard,mlflow`` as names; raises ValueError for one that is unknown. Each is kept once."""
    names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for name in names if isinstance(names, list | tuple) else ():
        if name not in TRACKERS:
            raise ValueError(f"no tracker {name!r}; there are {', '.join(TRACKERS)}.{suggest(str(name), TRACKERS)}")
    return tuple(dict.fromkeys(names)) if isinstance(names, list | tuple) else names


def require_trackers(names: Iterable[str]) -> None:
    """Raise RecipeError for a tracker whose package is not installed."""
    for name in names:
        found = find_spec(name)
        # A folder of that name, as the tools themselves leave it, counts as a package without an origin.
        if found is None or found.origin is None:
            raise RecipeError(f"track: {name} is not installed; add it by: pip install 'medgraft[{name}]'")


def open_tracker(name: str, folder: Path) -> Tracker:
    """The tracker of that name, not begun, for the run in ``folder``."""
    if name == "tensorboard":
        from medgraft.tracking.tensorboard import TensorBoard

        return TensorBoard(folder)
    if name == "mlflow":
        from medgraft.tracking.mlflow import MLflow

        return MLflow()
    from medgraft.tracking.wandb import WandB

    return WandB()
