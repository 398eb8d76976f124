"""Command-line options of a recipe, made from :class:`medgraft.recipe.Recipe` and from nothing else."""

from __future__ import annotations

import argparse
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo

from medgraft.policy import POLICIES, Augment
from medgraft.recipe import Recipe, default_of

_TITLES = {
    "task": "data",
    "model": "model",
    "strategy": "strategy",
    "loss": "loss",
    "epochs": "training",
    "threshold": "evaluation",
}
"""The option that opens each section of the help."""


DATA_OPTIONS = (
    *("task", "mask_values", "window", "image_column", "mask_column", "label_column", "classes", "group"),
    *("split_column", "exclude"),
)
"""Options of a recipe that say how data is read, for the commands that look at data and train nothing."""


def add_recipe_options(parser: argparse.ArgumentParser, without: Sequence[str] = ()) -> None:
    """Add one option for every field of a recipe but those in ``without``, in sections, each with its default."""
    section = parser.add_argument_group("data")
    for name, field in Recipe.model_fields.items():
        if name in _TITLES:
            section = _section(parser, _TITLES[name])
        if name not in without:
            _add_option(section, field.alias or name, field)
    _add_augment_options(parser)


def add_data_options(parser: argparse.ArgumentParser, more: Sequence[str] = ()) -> None:
    """Add those options that say how the data is read, and those in ``more``."""
    section = parser.add_argument_group("data")
    fields = {field.alias or name: field for name, field in Recipe.model_fields.items()}
    for option in (*DATA_OPTIONS, *more):
        _add_option(section, option, fields[option])


def _add_option(section: argparse._ArgumentGroup, option: str, field: FieldInfo) -> None:
    if option == "augment":
        section.add_argument("--augment", metavar="POLICY", choices=list(POLICIES), help=_help(field, None))
        return
    section.add_argument(
        f"--{option.replace('_', '-')}",
        dest=option,
        metavar=_metavar(field.annotation),
        choices=_choices(field.annotation),
        type=_type(field.annotation),
        help=_help(field, default_of(option)),
    )


def chosen_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The recipe options that were given on the command line, and only those."""
    given = {
        option: getattr(arguments, option)
        for option in Recipe.option_names()
        if getattr(arguments, option, None) is not None
    }
    single = {
        name: getattr(arguments, f"augment.{name}")
        for name in Augment.model_fields
        if getattr(arguments, f"augment.{name}", None) is not None
    }
    if single:
        policy = {"policy": given["augment"]} if "augment" in given else {}
        given["augment"] = policy | single
    return given


def _section(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    existing = [group for group in parser._action_groups if group.title == title]
    return existing[0] if existing else parser.add_argument_group(title)


def _add_augment_options(parser: argparse.ArgumentParser) -> None:
    section = parser.add_argument_group("augmentation, change by change", "Each goes before the policy's own value.")
    for name, field in Augment.model_fields.items():
        section.add_argument(
            f"--augment.{name.replace('_', '-')}",
            dest=f"augment.{name}",
            metavar="NUMBER",
            type=float,
            help=field.description,
        )


def _help(field: FieldInfo, default: str | None) -> str:
    text = field.description or ""
    if "default" not in text and default is not None:
        text = f"{text} (default: {default})"
    return text.replace("%", "%%")


def _members(annotation: Any) -> list[Any]:
    """The types that a union allows besides None."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return [member for member in typing.get_args(annotation) if member is not type(None)]
    return [annotation]


def _choices(annotation: Any) -> list[Any] | None:
    (member,) = _members(annotation)
    return list(typing.get_args(member)) if typing.get_origin(member) is Literal else None


def _type(annotation: Any) -> type:
    """Text stays text where the recipe reads it itself (lists, mappings)."""
    (member,) = _members(annotation)
    if typing.get_origin(member) is Literal:
        return type(typing.get_args(member)[0])
    return member if member in (int, float, Path) else str


def _metavar(annotation: Any) -> str | None:
    (member,) = _members(annotation)
    if typing.get_origin(member) is Literal:
        return None
    return {int: "N", float: "NUMBER", Path: "FILE", str: "NAME"}.get(member, "LIST")
