"""``medgraft inspect``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.cli.options import add_data_options, chosen_options

if TYPE_CHECKING:
    from medgraft.audit.audit import Audit

DESCRIPTION = """Look at every image before training: what is there, what is wrong, what would
leak from training into the test, and what a model could cheat by.

It looks at data that fit refuses, too: files that are missing or damaged,
patients in two splits, a file under two labels. It changes nothing.
"""

EXAMPLES = """examples:
  a page with pictures, inspect/index.html, and a summary here
    medgraft inspect xrays/labels.csv --group patient
  a list of what should be left out, and a training without it
    medgraft inspect xrays/ --fix-list exclude.txt
    medgraft fit xrays/ --exclude exclude.txt
  in a script: exit code 3 where there are errors
    medgraft inspect lesions/ --strict

exit codes: those of medgraft, and with --strict 3 where there are errors.
"""

FOUND_ERRORS = 3
"""The exit code of ``--strict`` where there are errors."""

_MARKS = {"error": "✗", "warning": "!", "note": "·"}
_WIDTH = 72


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, where the page goes, and how the data is read."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft inspect DATA [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV, or what else fit reads")
    parser.add_argument("--out", type=Path, default=Path("inspect"), metavar="DIR",
                        help="the folder for index.html and audit.json (default: inspect)")  # fmt: skip
    parser.add_argument("--fix-list", type=Path, metavar="FILE", help="write a list for fit --exclude")
    parser.add_argument("--strict", action="store_true", help="exit with 3 where there are errors")
    parser.add_argument("--json", action="store_true", help="print audit.json instead of the summary")
    parser.add_argument(
        "--workers", dest="threads", type=int, metavar="N", help="threads that decode (default: one a core)"
    )
    add_data_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Inspect, and print the summary."""
    from medgraft.pipeline.inspect import inspect
    from medgraft.progress import Terminal

    found = inspect(
        arguments.data,
        out=arguments.out,
        fix_list=arguments.fix_list,
        workers=arguments.threads,
        observer=Terminal(sys.stdout),
        **chosen_options(arguments),
    )
    if arguments.json:
        print(found.audit.to_json(), end="")
    else:
        for line in summary(found.audit, found.page, arguments.fix_list):
            print(line)
    if arguments.strict and found.audit.counts["error"]:
        sys.stdout.flush()
        raise SystemExit(FOUND_ERRORS)


def summary(audit: Audit, page: Path, fix_list: Path | None) -> Iterator[str]:
    """The lines for a terminal: what is there, what is wrong (worst first), what is fine, where to look."""
    from medgraft.audit.wording import shown

    yield shown(audit.headline)
    width = min(_WIDTH, max((len(shown(finding.sentence)) for finding in audit.findings), default=0))
    for finding in audit.findings:
        yield f"{_MARKS[finding.severity]} {shown(finding.sentence):<{width}}  {page}#{finding.topic}"
    line = ""
    for sentence in audit.passed:
        part = f"✓ {sentence}"
        if line and len(line) + len(part) > _WIDTH + 28:
            yield line
            line = ""
        line = f"{line} · {part}" if line else part
    if line:
        yield line
    if fix_list is not None:
        yield f"Fix list: {fix_list}   {len(audit.exclusion)} to leave out; medgraft fit ... --exclude {fix_list}"
    elif audit.exclusion:
        count = len(audit.exclusion)
        yield f"{count} could be left out by rule: --fix-list exclude.txt, then medgraft fit ... --exclude exclude.txt"
    yield f"Report: {page}"
