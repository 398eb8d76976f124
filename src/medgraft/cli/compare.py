"""``medgraft compare``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs and where the page goes."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders; the first is compared against")
    parser.add_argument("--out", type=Path, default=Path("comparison"), metavar="DIR",
                        help="the folder for the page and its pictures (default: comparison)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON instead of a table")


def run(arguments: argparse.Namespace) -> None:
    """Compare, print the table, write the page."""
    from medgraft.pipeline.compare import compare_runs, comparison_table

    _, plain, page = compare_runs(arguments.runs, arguments.out)
    print(json.dumps(plain, indent=2) if arguments.json else f"{comparison_table(plain)}\n{page}")
