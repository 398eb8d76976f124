"""``medgraft predict``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the images, where the predictions go."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="images, volumes, or folders of them")
    parser.add_argument("--out", type=Path, default=Path("predictions"), metavar="DIR",
                        help="where NAME_mask.png and NAME_overlay.png go, or predictions.csv "
                        "of a classifier (default: predictions)")  # fmt: skip
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="NUMBER",
        help="probability from which a pixel is foreground, or an image positive (default: the run's own)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Predict each image and print the path of its mask, or its label."""
    from medgraft.pipeline.predict import predict_files
    from medgraft.progress import Terminal

    terminal = Terminal(sys.stdout)
    try:
        predict_files(arguments.run, arguments.files, arguments.out, arguments.threshold, terminal)
    finally:
        terminal.close()
