"""``medgraft explain``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

DESCRIPTION = """Where a trained run looked.

Without IMAGE, in its own test images: those that it was surest of, wrongly and
rightly, and the least certain; for masks those with the worst, the median and
the best Dice. Pictures go to RUN/explanations/METHOD, and the run's report gets
a section "Where the model looked".

With IMAGE, in these images, into explanations/RUN-METHOD; the run is left as it
is.

Two checks come with the maps. They are made again while the weights are
shuffled block by block: a map that stays the same says nothing of what was
learned. And where there are masks, it is measured how much of the map lies
inside them. A map is no proof of reasoning.
"""

EXAMPLES = """examples:
  the run's own images, in its report
    medgraft explain runs/xrays-frozen-224
  one image, for one class
    medgraft explain runs/xrays-frozen-224 chest.png --class pneumonia
  by another method, and how much of it lies inside lesions that were outlined
    medgraft explain runs/skin-full-224 --method occlusion --masks outlines/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the images, and how they are explained."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft explain RUN [IMAGE ...] [options]"
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="images, folders of them and patterns (default: the run's own)"
    )
    _add_choices(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where pictures and explanations.json go; the run is left as it is then "
        "(default: RUN/explanations/METHOD, or explanations/RUN-METHOD for given images)",
    )
    parser.add_argument("--json", action="store_true", help="print all findings as JSON, all else to standard error")


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """How they are explained."""
    parser.add_argument(
        "--method",
        default="gradcam",
        metavar="NAME",
        help="gradcam, hirescam, integrated_gradients or occlusion (default: gradcam)",
    )
    parser.add_argument(
        "--class",
        dest="target",
        metavar="NAME",
        help="the class or structure to explain (default: the predicted one; of masks the largest that was found)",
    )
    parser.add_argument(
        "--layer",
        metavar="BLOCK",
        help="for gradcam and hirescam: the encoder's block whose maps are read, such as blocks.4 (default: the last "
        "that takes part)",
    )
    parser.add_argument(
        "--sanity",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make the maps again while the weights are shuffled (default: yes)",
    )
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="a folder of masks named as the images: how much of the maps lies inside (masks are at hand for runs "
        "that learned from them)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Explain, print what was found, and leave with an error that lists what could not be explained."""
    from medgraft.pipeline.explain import explain_run
    from medgraft.progress import Terminal

    found = explain_run(
        arguments.run,
        arguments.images,
        method=arguments.method,
        target=arguments.target,
        layer=arguments.layer,
        sanity=arguments.sanity,
        masks=arguments.masks,
        out=arguments.out,
        observer=Terminal(sys.stderr if arguments.json else sys.stdout),
    )
    if arguments.json:
        report = None if found.report is None else str(found.report)
        print(json.dumps(found.findings | {"folder": str(found.folder), "report": report}, indent=2, allow_nan=False))
    found.raise_failed()
