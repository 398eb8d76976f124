"""``medgraft report``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run or study."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run, or of a study")
    parser.add_argument("--metric", metavar="NAME", help="of a study: the score that decides, as kappa or macro_recall "
                        "(default: auc, or dice of masks)")  # fmt: skip
    parser.add_argument("--beside", nargs="+", type=Path, default=[], metavar="DIR", help="of a study: studies of "
                        "other data, for the gain against the distance from pretraining")  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write the report of a finished run, or of whatever is finished of a study, and print where it lies."""
    from medgraft.errors import RecipeError
    from medgraft.report import run_report
    from medgraft.report.wording import refuse_unknown_metric
    from medgraft.run import Run
    from medgraft.studies import Study

    if Study.is_one(arguments.run):
        refuse_unknown_metric(arguments.metric)
        print(Study(arguments.run).report(arguments.metric, arguments.beside))
        return
    given = {"--metric": arguments.metric, "--beside": arguments.beside}
    for name in (name for name, value in given.items() if value):
        raise RecipeError(f"{name} is for reports of studies, and {arguments.run} is none; leave it out.")
    print(run_report(Run(arguments.run).folder))
