"""``medgraft fit``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from medgraft.cli.options import add_recipe_options, chosen_options

DESCRIPTION = """Train a model on images with masks or labels, evaluate it, write a report.

DATA with masks is a folder with images/ and masks/ (a mask has its image's
name, or that followed by _mask or _segmentation), the unpacked folders of an
ISIC challenge, nnU-Net or VOC, a COCO .json, a folder of DICOM images with
segmentation objects, or a CSV that names image and mask files. DATA with labels
is a folder with a folder of images for each class (below train/, val/ and
test/, if you like), a CSV with the columns file and label, or an .npz as
MedMNIST has them. Images are PNG, JPEG, TIFF, DICOM, NIfTI or NRRD files. No
option is needed to begin with.
"""

EXAMPLES = """examples:
  the encoder fixed, only the decoder learns (minutes on a laptop)
    medgraft fit lesions/ --strategy frozen --size 128
  everything learns, the encoder at lower rates
    medgraft fit lesions/ --strategy full --epochs 25
  a table, with all images of a patient in one split
    medgraft fit table.csv --image-column file --mask-column outline --group patient
  labels: a head on the fixed encoder (seconds), then two that learn more
    medgraft fit xrays/labels.csv --group patient
    medgraft fit xrays/labels.csv --group patient --strategy partial --blocks 3
    medgraft fit xrays/labels.csv --group patient --strategy full
  cross-validation, all images of a patient in one fold
    medgraft fit xrays/labels.csv --group patient --folds 5
  show the complete recipe and the model, train nothing; keep it and use it
    medgraft fit lesions/ --dry-run > recipe.yaml
    medgraft fit lesions/ --recipe recipe.yaml --lr 0.001
  go on with a run that was stopped or killed
    medgraft fit lesions/ --out runs/first --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, what to do with the run, and every option of a recipe."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft fit DATA [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV or an .npz")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/DATA-STRATEGY-SIZE)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder, to the same result")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="start from a YAML recipe; options below change it")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the complete recipe (YAML) and the model, train nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the scores as JSON, all else to standard error")
    add_recipe_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, or show what would be trained."""
    options = chosen_options(arguments)
    if arguments.dry_run:
        _show(arguments.data, arguments.recipe, options)
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


def _show(data: Path, recipe_file: Path | None, options: dict[str, Any]) -> None:
    """Print the recipe as YAML and all else as its comments, so that what is printed is a recipe file."""
    from medgraft.data import apply_split_file
    from medgraft.pipeline import open_for
    from medgraft.pipeline.folders import settle
    from medgraft.pipeline.plan import rehearse, summary_table
    from medgraft.pipeline.prepare import complete
    from medgraft.pipeline.tasks import expected_task
    from medgraft.progress import Terminal

    recipe = settle(recipe_file, options)
    observer = Terminal(sys.stderr)
    manifest = open_for(data, recipe, observer)
    observer.close()
    recipe = complete(recipe, manifest)
    if recipe.split_file is not None:
        manifest = apply_split_file(manifest, recipe.split_file)
    assembled = rehearse(recipe, manifest)
    # What masks hold is not known before they are read.
    masks = f"{len(manifest)} images with masks"
    what = masks if manifest.classes is None else expected_task(manifest, recipe).about(manifest)
    about = [f"{manifest.name}: {what}", *manifest.notes]
    model = [*assembled.sentences(), *summary_table(assembled).splitlines()]
    print(_comments(about), recipe.to_yaml(), _comments(model), sep="\n")


def _comments(lines: list[str]) -> str:
    return "".join(f"# {line}\n" for text in lines for line in text.splitlines() or [""])
