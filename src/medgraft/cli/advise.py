"""``medgraft advise``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from medgraft.cli.options import add_recipe_options, chosen_options

if TYPE_CHECKING:
    from medgraft.advice import Advice
    from medgraft.recipe import Recipe

DESCRIPTION = """Measure a data set and recommend a strategy for it, with reasons.

What is printed is a recipe: the reasons are comments in it. Nothing is trained
but a linear head on fixed features, and no test image is looked at. An option
of a recipe that you give is kept, and the advice is for that.
"""

EXAMPLES = """examples:
  what to do with this data, and why
    medgraft advise xrays/labels.csv --group patient
  keep it, and train as it says
    medgraft advise xrays/labels.csv --group patient > recipe.yaml
    medgraft fit xrays/labels.csv --recipe recipe.yaml
  both at once
    medgraft fit xrays/labels.csv --group patient --strategy auto
  training may take ten minutes
    medgraft advise lesions/ --minutes 10
"""

WIDTH = 98
"""Of a comment line, in characters."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, the time that training may take, and every option of a recipe."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft advise DATA [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV or an .npz")
    parser.add_argument("--minutes", type=_minutes, metavar="N", help="how long training may take (default: any time)")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="a YAML recipe whose options are kept")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON instead")
    add_recipe_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print the advice."""
    from medgraft.pipeline import advise
    from medgraft.pipeline.folders import settle
    from medgraft.progress import Terminal

    options = chosen_options(arguments)
    asked = settle(arguments.recipe, options)
    advice = advise(arguments.data, asked, minutes=arguments.minutes, observer=Terminal(sys.stderr))
    recipe = recipe_of(advice, asked)
    if arguments.json:
        print(json.dumps(advice.to_dict() | {"recipe": recipe}, indent=2, allow_nan=False))
    else:
        print(text(advice, recipe, arguments.data), end="")


def recipe_of(advice: Advice, asked: Recipe) -> dict[str, Any]:
    """The options of the recipe to train with: those asked for, and those advised."""
    return asked.chosen() | advice.options


def text(advice: Advice, recipe: dict[str, Any], data: Path) -> str:
    """The recipe as YAML, the advice and its reasons as comments before it."""
    times = ", ".join(f"{step} {_time(minutes)}" for step, minutes in advice.facts.minutes.items())
    lines = [
        *_wrapped(f"Recommended: {advice.headline}"),
        *(line for reason in advice.reasons for line in _wrapped(f"- {reason.sentence} [{reason.source}]", "  ")),
        *(["It would change to"] if advice.changes else []),
        *(line for change in advice.changes for line in _wrapped(f"- {change}", "  ")),
        *_wrapped(f"Predicted training here: {times}."),
        f"Keep this in a file, and: medgraft fit {shlex.quote(str(data))} --recipe FILE",
    ]
    # A name may have lines of its own, each of which is to be a comment.
    comments = "".join(f"# {part}\n" for line in lines for part in line.splitlines())
    return comments + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)


def _wrapped(line: str, hanging: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _time(minutes: float) -> str:
    return f"{60 * minutes:.0f} s" if minutes < 1 else f"{minutes:.0f} min"


def _minutes(value: str) -> float:
    try:
        minutes = float(value)
    except ValueError:
        minutes = 0.0
    if not minutes > 0:
        raise argparse.ArgumentTypeError(f"a number of minutes above 0 is wanted, not {value!r}")
    return minutes
