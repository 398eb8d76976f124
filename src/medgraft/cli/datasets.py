"""``medgraft datasets``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.errors import RecipeError, suggest

if TYPE_CHECKING:
    from medgraft.catalog import Dataset

DESCRIPTION = """List public data sets: what they hold, their licence and size, and how to get them.
With the name of one: all about it. With get: fetch it, check it and unpack it.
"""

EXAMPLES = """examples:
  all of them, or those of one kind
    medgraft datasets
    medgraft datasets '*mnist'
  all about one: licence, citation, steps, and the command that trains on it
    medgraft datasets kvasir-seg
  fetch one to data/NAME, or elsewhere; a fetch that was stopped goes on
    medgraft datasets get kvasir-seg
    medgraft datasets get breastmnist --size 224 --out sets/breast
"""

SHOW, GET = "show", "get"
_WIDEST = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to list, show or fetch."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft datasets [PATTERN | show NAME | get NAME] [options]"
    parser.add_argument("words", nargs="*", metavar="NAME", help="a name, or a pattern with wildcards; quote it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="get: the set's folder (default: data/NAME)")
    parser.add_argument(
        "--size", type=int, metavar="N", help="get, show: side of the pictures, where there is a choice"
    )
    parser.add_argument("--json", action="store_true", help="print objects with every fact instead")


def run(arguments: argparse.Namespace) -> None:
    """Do what the words say."""
    action, name = _understood(arguments)
    if action == GET:
        _get(name, arguments)
        return
    from medgraft.catalog import find_dataset, list_datasets

    entries = [find_dataset(name)] if action == SHOW else list_datasets(name)
    if arguments.json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2, ensure_ascii=False))
    elif len(entries) == 1:
        _show(entries[0], arguments.size)
    else:
        _list(entries)


def _understood(arguments: argparse.Namespace) -> tuple[str, str]:
    """The action (empty for the list) and the name or pattern that it is about."""
    words = arguments.words
    action = words[0] if words and words[0] in (SHOW, GET) else ""
    names = words[1:] if action else words
    if len(names) > 1:
        hint = "" if action else suggest(names[0], (SHOW, GET))
        raise RecipeError(f"one name at a time: {' '.join(names)}.{hint}")
    if action and not names:
        raise RecipeError(f"which one? medgraft datasets {action} NAME; medgraft datasets lists the names.")
    if arguments.out and action != GET:
        raise RecipeError("--out is the folder to fetch a set to: medgraft datasets get NAME --out DIR.")
    return action, names[0] if names else "*"


def _get(name: str, arguments: argparse.Namespace) -> None:
    from medgraft.catalog import find_dataset
    from medgraft.catalog.get import MARKER, get
    from medgraft.progress import Terminal

    entry = find_dataset(name)
    folder = get(entry, arguments.out, size=arguments.size, observer=Terminal(sys.stderr))
    commands = entry.commands(str(folder), arguments.size)
    if arguments.json:
        record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        print(json.dumps({"folder": str(folder), "fit": commands, **record}, indent=2, ensure_ascii=False))
        return
    print(f"{folder}   {entry.title}")
    if entry.steps:
        from medgraft.catalog.card import steps

        print("what is left to do:", *steps(entry, str(folder), _width()), sep="\n")
    print(*commands, sep="\n")


def _show(entry: Dataset, pixels: int | None) -> None:
    from medgraft.catalog.card import card

    print(card(entry, entry.folder(pixels), _width(), pixels))


def _list(entries: list[Dataset]) -> None:
    from medgraft.catalog.card import way
    from medgraft.cli.encoders import table

    rows = [
        [entry.name, _task(entry), f"{entry.images:,}", _short(entry), entry.stated_licence,
         way(entry)]
        for entry in entries
    ]  # fmt: skip
    print(table(("data set", "task", ">images", ">size", "licence", "get"), rows))
    print("\nsize: what is fetched; + means that there are larger pictures too (--size)")
    print("licence: as the publishers state it, ? where we could not verify that")
    print("get: by a program, + what is left to do then; with an account; or by hand")
    print("all about one: medgraft datasets NAME · fetch one: medgraft datasets get NAME")


def _task(entry: Dataset) -> str:
    if entry.task == "segmentation":
        return "masks"
    return f"{len(entry.classes)} {'labels' if entry.several else 'classes'}"


def _short(entry: Dataset) -> str:
    from medgraft.catalog.entry import in_units

    return f"{in_units(entry.size.bytes)}{'+' if len(entry.sides) > 1 else ' '}"


def _width() -> int | None:
    """Where to fold lines: at the terminal's width, within reason; nowhere in a pipe."""
    return min(_WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
