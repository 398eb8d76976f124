"""The list of all data sets, read from ``sets.yaml`` and ``medmnist.yaml`` beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

import yaml

from medgraft.catalog.entry import Dataset, Edition, RemoteFile, Size
from medgraft.errors import RecipeError, suggest

_ZENODO = "https://zenodo.org/records/10519652/files"
_NOT_READ = "mnist3d"


@cache
def catalogue() -> Mapping[str, Dataset]:
    """All data sets by name, in the order of the list."""
    sets = [_read(name, raw) for name, raw in _table("sets.yaml").items()]
    medmnist = _table("medmnist.yaml")
    sets += [_medmnist(name, raw, medmnist["shared"]) for name, raw in medmnist["sets"].items()]
    return {entry.name: entry for entry in sets}


def list_datasets(pattern: str = "*") -> list[Dataset]:
    """Return the data sets whose names match a pattern with wildcards; raises RecipeError where none does."""
    if not set("*?[") & set(pattern):
        return [find_dataset(pattern)]
    # medgraft.models.wildcards would bring torch along, for which nobody who wants a list should wait.
    found = [entry for name, entry in catalogue().items() if fnmatchcase(name, pattern.lower())]
    if not found:
        raise RecipeError(f"no data set of the catalogue matches {pattern!r}; medgraft datasets lists all of them.")
    return found


def find_dataset(name: str) -> Dataset:
    """Return a data set by its name or one of its aliases, in any case; raises RecipeError, with near names."""
    wanted = name.strip().lower().replace(" ", "-")
    known = {alias: entry for entry in catalogue().values() for alias in (entry.name, *entry.aliases)}
    if wanted in known:
        return known[wanted]
    if wanted.endswith(_NOT_READ):
        raise RecipeError(
            f"{name}: the 3-D sets of MedMNIST are not read, the 2-D ones are: medgraft datasets '*mnist'."
        )
    raise RecipeError(f"no data set {name!r}; medgraft datasets lists them.{suggest(wanted, known)}")


def _table(file: str) -> dict[str, Any]:
    text = resources.files("medgraft.catalog").joinpath(file).read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def _read(name: str, raw: dict[str, Any]) -> Dataset:
    """One set of ``sets.yaml``."""
    size = Size.read(raw.pop("size"))
    files = tuple(_file(file) for file in raw.pop("files", ()))
    editions = (Edition(name, files, size),) if files else ()
    return Dataset(name=name, size=size, editions=editions, **_tuples(raw))


def _file(raw: dict[str, Any]) -> RemoteFile:
    size = raw.pop("size", None)
    return RemoteFile(size=None if size is None else Size.read(size), **raw)


def _medmnist(name: str, raw: dict[str, Any], shared: dict[str, Any]) -> Dataset:
    """One set of ``medmnist.yaml``; larger pictures take at most what their raw values take."""
    channels, checksums, source = raw.pop("channels"), raw.pop("md5"), raw.pop("source")
    smallest = Size.read(raw.pop("size"))
    editions = []
    for side, md5 in checksums.items():
        size = smallest if side == 28 else Size(raw["images"] * side * side * channels, "up to")
        stem = name if side == 28 else f"{name}_{side}"
        file = RemoteFile(f"{_ZENODO}/{stem}.npz?download=1", size=size, md5=md5)
        editions.append(Edition(stem, (file,), size, side))
    entry = shared | raw
    entry["citation"] = f"{source}; {shared['citation']}"
    entry["note"] = " ".join(filter(None, (raw.get("note"), shared["note"])))
    return Dataset(name=name, size=smallest, editions=tuple(editions), **_tuples(entry))


def _tuples(raw: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, and the layout, script and sentences without the blank ends that YAML leaves."""
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return {key: value.strip("\n") if isinstance(value, str) else value for key, value in plain.items()}
