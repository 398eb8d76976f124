"""Beginning the workshop: notebooks in a folder of the learner's own, and whether all is there that they need."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from medgraft.errors import MedgraftError, RunError
from medgraft.files import write_text
from medgraft.workshop.notebooks import doc_files, notebook_files

_DISK = 1 << 30
"""Bytes that the notebooks' runs and caches may come to."""
_PYTHON = (3, 11)
_PAGES = "medgraft-docs"
"""The folder beside the notebooks for the pages that they link to, which are to be read with no network."""
_NEEDED = {
    "torch": "trains the models",
    "cloudpickle": "hands your code to the checks",
    "ipywidgets": "shows quizzes as buttons",
    "jupytext": "reads notebooks that are kept as text",
    "jupyterlab": "opens the notebooks",
}
_HELP = "pip install 'medgraft[workshop]'"


@dataclass(frozen=True)
class Found:
    """A part of the set-up: whether it is there, and what to do where it is not."""

    there: bool
    said: str


@dataclass(frozen=True)
class Copied:
    """Notebooks of the folder: those written now, and those that were there and were left alone."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def copy_notebooks(folder: Path) -> Copied:
    """Write the learner's notebooks to a folder, never over one that is there, and the pages they name.

    Raises
    ------
    RunError
        Where ``folder`` is a file, or this installation has no notebooks.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file. Name a folder for the notebooks: medgraft workshop start DIR.")
    written, kept = [], []
    for source in notebook_files():
        target = folder / source.name
        if target.exists() or target.is_symlink():
            kept.append(target.name)
            continue
        write_text(target, source.read_text(encoding="utf-8").replace("](../docs/", f"]({_PAGES}/"))
        written.append(target.name)
    for inside, source in doc_files().items():
        if not (folder / _PAGES / inside).exists():
            write_text(folder / _PAGES / inside, source.read_text(encoding="utf-8"))
    return Copied(tuple(written), tuple(kept))


def look_at_setup(folder: Path) -> list[Found]:
    """Python, the packages and the disk, each with a sentence."""
    version = platform.python_version()
    found = [
        Found(True, f"Python {version}")
        if sys.version_info[:2] >= _PYTHON
        else Found(False, f"Python {version}: {_PYTHON[0]}.{_PYTHON[1]} or later is wanted")
    ]
    for name, why in _NEEDED.items():
        there = importlib.util.find_spec(name) is not None
        found.append(Found(there, f"{name} {_version(name)}" if there else f"{name}, which {why}: {_HELP}"))
    free = shutil.disk_usage(folder).free
    enough = free >= _DISK
    found.append(Found(enough, f"{free / 2**30:.1f} GB free" + ("" if enough else ": 1 GB is wanted for the runs")))
    return found


def open_lab(folder: Path) -> None:
    """Open Jupyter Lab in the folder, and wait until it is closed.

    Raises
    ------
    MedgraftError
        Where it is not installed.
    RunError
        Where it ended with an error.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise MedgraftError(f"Jupyter Lab is not installed: {_HELP}. The notebooks in {folder} open elsewhere, too.")
    first = sorted(path.name for path in folder.glob("*.ipynb"))[:1]
    ended = subprocess.run([sys.executable, "-m", "jupyterlab", *first], cwd=folder, check=False)
    if ended.returncode:
        raise RunError(f"Jupyter Lab ended with exit code {ended.returncode}; its last lines above say why.")


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
