"""``medgraft compare``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs and where the page goes."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders; the first is compared against")
    parser.add_argument("--out", type=Path, default=Path("comparison.html"), metavar="FILE", help="the page to write")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Compare, print the table, write the page."""
    from medgraft.pipeline.compare import comparison_table, compare_runs

    _, plain, page = compare_runs(arguments.runs, arguments.out)
    print(json.dumps(plain, indent=2) if arguments.json else f"{comparison_table(plain)}\n{page}")
