"""``medgraft evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from medgraft.cli.options import add_data_options, chosen_options

DESCRIPTION = """What a trained run is worth, and where it should decide.

Without DATA, on its own validation and test images. A temperature is fitted on
the validation images, so that probabilities say what they mean, and is kept in
the run's model.json; the threshold is kept as it is, unless --threshold chooses
another on the validation images. Predictions, scores, report and model card of
the run are written anew with both, and everything after (predict, compare,
export, serve) uses them. The page is RUN/evaluation/report.html.

With DATA, on images that the run has never seen (external validation): the same
report, and how far they are from the training images. Nothing is fitted on
them, and the run is left as it is. Where the run's own images have moved, DATA
names the new place.
"""

EXAMPLES = """examples:
  calibrate a run, and find nine of ten pneumonias
    medgraft evaluate runs/xrays-frozen-224 --threshold sensitivity=0.9
  does it serve men and women alike, and both scanners
    medgraft evaluate runs/xrays-frozen-224 --by sex --by scanner
  on the images of another hospital
    medgraft evaluate runs/xrays-frozen-224 theirs/labels.csv --group patient
  what flips, or all folds of a cross-validation together, would gain
    medgraft evaluate runs/lesions-frozen-256 --tta policy
    medgraft evaluate runs/lesions-5-folds theirs/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the data, what is chosen, and how images are looked at."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft evaluate RUN [DATA] [options]"
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        metavar="DATA",
        help="other images with masks or labels; or where the run's own lie now "
        "(default: its own, where the training found them)",
    )
    parser.add_argument(
        "--threshold",
        dest="rule",
        metavar="RULE",
        help="choose the threshold on the validation images by youden, f1, sensitivity=0.9, specificity=0.9, or for "
        "masks dice; or give a number (default: the run's own is kept)",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN",
        help="scores by the values of a column of the data, as sex; numbers are cut at quartiles, or as age=40,60 "
        "says; may be given several times",
    )
    parser.add_argument("--split", metavar="NAME", help="of DATA, score this split alone (default: all images)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the folder for the report; the run is left as it is then "
        "(default: RUN/evaluation, or evaluations/RUN-on-DATA)",
    )
    parser.add_argument("--json", action="store_true", help="print all findings as JSON, all else to standard error")
    _add_looking(parser)
    add_data_options(parser)


def _add_looking(parser: argparse.ArgumentParser) -> None:
    section = parser.add_argument_group("how images are looked at", "With any of these the run is left as it is.")
    section.add_argument(
        "--with",
        dest="others",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="another run that answers with the first; may be given again",
    )
    section.add_argument(
        "--tta",
        default="none",
        metavar="VIEWS",
        help="test-time augmentation; policy: flips and quarter turns as the training had them; or names, such as "
        "left-right,up-down",
    )
    section.add_argument(
        "--windows",
        type=float,
        metavar="OVERLAP",
        help="masks: cut images that are larger than the training's into windows of their size that overlap by this "
        "share, such as 0.5",
    )
    section.add_argument(
        "--window-side",
        type=int,
        metavar="PIXELS",
        help="side of a window in the image (default: that of the training's images)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, and print what was found."""
    from medgraft.pipeline.evaluate import evaluate_run
    from medgraft.progress import Terminal

    found = evaluate_run(
        arguments.run,
        arguments.data,
        threshold=arguments.rule,
        by=arguments.by,
        split=arguments.split,
        tta=arguments.tta,
        windows=_windows(arguments),
        ensemble=arguments.others,
        out=arguments.out,
        observer=Terminal(sys.stderr if arguments.json else sys.stdout),
        **chosen_options(arguments),
    )
    if arguments.json:
        told = found.findings | {"folder": str(found.folder), "report": str(found.report)}
        told["scores"] = json.loads((found.folder / "scores.json").read_text(encoding="utf-8"))
        print(json.dumps(told, indent=2, allow_nan=False))


def _windows(arguments: argparse.Namespace) -> Any:
    if arguments.windows is None and arguments.window_side is None:
        return None
    from medgraft.inference import Windows

    return Windows(0.5 if arguments.windows is None else arguments.windows, arguments.window_side)
