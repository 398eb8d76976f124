"""What is told of a run: every option, every figure by its name in the run's folder, and no name of a place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from medgraft.tracking.tracker import Value

_FILES = ("exclude", "split_file", "weights")
"""Options that may be the path of a file."""
_NOT_IN_NAMES = re.compile(r"[^\w.-]")


def nameless_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a recipe with the folders of files left out, as folders may be called after patients."""
    return {name: _file_name(value) if name in _FILES and value else value for name, value in options.items()}


def _file_name(value: str) -> str:
    """``lists/exclude.csv`` becomes ``exclude.csv``; ``medical:NAME@dir/FILE`` becomes ``medical:NAME@FILE``."""
    if value.startswith("hf-hub:"):
        return value
    source, at, file = value.rpartition("@")
    return f"{source}{at}{PurePath(file.replace(chr(92), '/')).name}"


def without_password(text: str) -> str:
    """The text with ``NAME:PASSWORD@`` left out of addresses."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def config_of(options: Mapping[str, Any]) -> dict[str, Value]:
    """Every option as one value: ``augment.rotation`` for a mapping's, commas between those of a list."""
    return dict(_flat_options(nameless_options(options), ""))


def _flat_options(options: Mapping[str, Any], before: str) -> Iterator[tuple[str, Value]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and name == "augment":
            yield from _flat_options(value, f"{name}.")
        elif isinstance(value, Mapping):
            yield f"{before}{name}", ",".join(f"{key}={item}" for key, item in value.items())
        elif isinstance(value, list | tuple):
            yield f"{before}{name}", ",".join(map(str, value))
        else:
            yield f"{before}{name}", value


def figures_of(nested: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a nested mapping, such as a line of the history, by their names joined with slashes.

    Words, and what is undefined (null, NaN), are left out. In names all but letters, digits and ``_.-`` becomes ``_``,
    so that every tool takes them; where two are then alike, the later one has ``_2`` behind it.

    Examples
    --------
    >>> figures_of({"stage": "head", "seconds": 2.5, "val": {"loss": 0.5, "dice": None}})
    {'seconds': 2.5, 'val/loss': 0.5}
    """
    return dict(_flat_figures(nested, ""))


def _flat_figures(nested: Mapping[str, Any], before: str) -> Iterator[tuple[str, float]]:
    taken: set[str] = set()
    for name, value in nested.items():
        path = before + (_NOT_IN_NAMES.sub("_", str(name)).strip(".") or "_")
        while path in taken:
            path += "_2"
        taken.add(path)
        if isinstance(value, Mapping):
            yield from _flat_figures(value, f"{path}/")
        elif isinstance(value, bool | int | float) and math.isfinite(value):
            yield path, value
