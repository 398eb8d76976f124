"""``medgraft fit``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from medgraft.cli.options import add_recipe_options, chosen_options
from medgraft.recipe import Recipe

EXAMPLES = """examples:
  medgraft fit lesions/ --strategy frozen --size 128     the encoder fixed, only the decoder learns: minutes on a laptop
  medgraft fit lesions/ --strategy full --epochs 25      everything learns, the encoder at lower rates
  medgraft fit table.csv --image-column file --mask-column outline --group patient
  medgraft fit lesions/ --dry-run                        show the complete recipe and the model, train nothing
  medgraft fit lesions/ --out runs/first --resume        go on with a run that was stopped or killed

the data: a folder with images/ and masks/, the folders of an ISIC challenge, or a CSV that names image and mask files.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, what to do with the run, and every option of a recipe."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.usage = "medgraft fit DATA [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder or a CSV")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/DATA-STRATEGY-SIZE)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder, to the same result")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="start from a YAML recipe; options below change it")
    parser.add_argument("--dry-run", action="store_true", help="print the complete recipe and the model, train nothing")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    add_recipe_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, or show what would be trained."""
    options = chosen_options(arguments)
    if arguments.dry_run:
        recipe = Recipe.load(arguments.recipe, **options) if arguments.recipe else Recipe.make(**options)
        _show(arguments.data, recipe)
        return
    from medgraft.pipeline import fit
    from medgraft.progress import Terminal

    run = fit(
        arguments.data,
        arguments.recipe,
        out=arguments.out,
        resume=arguments.resume,
        observer=Terminal(sys.stderr if arguments.json else sys.stdout),
        **options,
    )
    if arguments.json:
        print((run.folder / "scores.json").read_text(), end="")


def _show(data: Path, recipe: Recipe) -> None:
    from medgraft.pipeline import assemble, open_for
    from medgraft.pipeline.plan import output_channels, summary_table

    manifest = open_for(data, recipe)
    neutral = ((0.5,) * recipe.channels, (0.25,) * recipe.channels)
    assembled = assemble(recipe, output_channels(recipe), *neutral)
    print(f"# {manifest.name}: {len(manifest)} images with masks", *(f"# {note}" for note in manifest.notes), sep="\n")
    print(recipe.to_yaml())
    print("\n".join(assembled.sentences()))
    print(summary_table(assembled))
