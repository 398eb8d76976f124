"""``medgraft distance``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft.cli.options import add_data_options, chosen_options

if TYPE_CHECKING:
    from medgraft.pipeline.distance import DistanceReport

DESCRIPTION = """How far images are from those that an encoder was pretrained on, as the encoder
sees them. Its BatchNorms hold the statistics of its pretraining images, so that
none of these is needed. Or how far they are from other images: those of a
second folder, or of saved statistics; that goes for encoders without BatchNorm
(ViT, ConvNeXt) too.
"""

EXAMPLES = """examples:
  from the pretraining images
    medgraft distance xrays/labels.csv --group patient
  from other images, of another hospital
    medgraft distance ours/ theirs/
  statistics to keep, and to compare with where the images may not go
    medgraft distance theirs/ --save-reference theirs.npz
    medgraft distance ours/ --reference theirs.npz
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, what it is compared with, and what looks at it."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft distance DATA [OTHER] [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="what fit reads, or a folder with images in it")
    parser.add_argument("other", type=Path, nargs="?", metavar="OTHER", help="images to compare with")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="saved statistics to compare with")
    parser.add_argument("--save-reference", type=Path, metavar="FILE", help="write the statistics of DATA to a file")
    parser.add_argument("--images", type=int, metavar="N", help="how many to look at, at most (default: 512)")
    parser.add_argument("--json", action="store_true", help="print an object with every figure instead")
    parser.add_argument("--encoder", metavar="NAME", help="any timm encoder (default: tf_efficientnet_lite0)")
    parser.add_argument("--weights", metavar="NAME", help="its weights: a file, hf-hub:NAME or medical:NAME "
                        "(default: installed, cached, or downloaded)")  # fmt: skip
    parser.add_argument("--size", type=int, metavar="N", help="images are resized to N x N pixels (default: 224)")
    parser.add_argument("--channels", type=int, choices=[1, 3], help="1 reads images as grey (default: 3)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the images drawn and the intervals (default: 0)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], help="where it runs (default: auto)")
    add_data_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure, and print."""
    report = _measured(arguments)
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
        return
    from medgraft.pipeline.distance_text import lines

    for line in lines(report):
        print(line)


def _measured(arguments: argparse.Namespace) -> DistanceReport:
    from medgraft.errors import RecipeError
    from medgraft.pipeline import distance
    from medgraft.progress import Terminal

    given = {"--reference": arguments.reference, "--save-reference": arguments.save_reference}
    asked = [name for name, value in ({"a second data set": arguments.other} | given).items() if value is not None]
    if len(asked) > 1:
        raise RecipeError(f"{' and '.join(asked)} do not go together; choose one.")
    options: dict[str, Any] = chosen_options(arguments) | {"observer": Terminal(sys.stderr)}
    if arguments.images is not None:
        options["images"] = arguments.images
    if arguments.other is not None:
        return distance.distance_between_data(arguments.data, arguments.other, **options)
    if arguments.reference is not None:
        return distance.distance_from_reference(arguments.data, arguments.reference, **options)
    return distance.distance_from_pretraining(arguments.data, save_reference=arguments.save_reference, **options)
