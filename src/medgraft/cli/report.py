"""``medgraft report``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")


def run(arguments: argparse.Namespace) -> None:
    """Write the report of a finished run and print where it lies."""
    from medgraft.report import run_report
    from medgraft.run import Run

    print(run_report(Run(arguments.run).folder))
