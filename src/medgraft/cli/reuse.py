"""``medgraft reuse``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

DESCRIPTION = """Which blocks of a run's encoder are reused, and which are relearned.

The encoder is compared with what it was before training: how far the weights of
each block moved, how alike its features stayed (CKA), what its features tell
before and after (nearest neighbours), and what the score loses when one block is
put back to what it was, or drawn anew. Figures, tables and a page go to
RUN/reuse.

Scores are taken on the validation images; the test images are left alone unless
--split test asks for them.
"""

EXAMPLES = """examples:
  one run
    medgraft reuse runs/xrays-full-224
  beside runs that began from statistics and from random weights
    medgraft reuse runs/xrays-full-224 --against runs/xrays-st runs/xrays-ri
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, what it is compared with, and on what."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft reuse RUN [--against RUN ...] [options]"
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="RUN",
        help="further runs, whose features are compared with this one's on the same images",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, default=1000, metavar="N",
        help="compare features on at most N images: those of the split, then training images (default: 1000)",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=("val", "test"), default="val", help="the images that scores are taken on (default: val)"
    )
    parser.add_argument("--svcca", action="store_true", help="measure singular vector CCA too, on pooled features")
    parser.add_argument(
        "--redraw", action=argparse.BooleanOptionalAction, default=True,
        help="draw each block anew, too, to see whether it matters at all (default: yes)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the run's images lie now, if they have moved")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the page goes (default: RUN/reuse)")
    parser.add_argument("--json", action="store_true", help="print all findings as JSON, all else to standard error")


def run(arguments: argparse.Namespace) -> None:
    """Find, print the answer, and where the page is."""
    from medgraft.pipeline.reuse import reuse_run
    from medgraft.progress import Terminal

    found = reuse_run(
        arguments.run,
        arguments.against,
        images=arguments.images,
        split=arguments.split,
        svcca=arguments.svcca,
        redraw=arguments.redraw,
        data=arguments.data,
        out=arguments.out,
        observer=Terminal(sys.stderr if arguments.json else sys.stdout),
    )
    if arguments.json:
        print(json.dumps(found.findings | {"folder": str(found.folder)}, indent=2, allow_nan=False))
