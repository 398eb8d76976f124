"""``medgraft compare``."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any


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
    if arguments.json:
        print(json.dumps(_defined(plain), indent=2, allow_nan=False))
    else:
        print(f"{comparison_table(plain)}\n{page}")


def _defined(value: Any) -> Any:
    """The same with null for what is undefined, as JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
