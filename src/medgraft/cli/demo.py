"""``medgraft demo``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, if not the generated one, and how long to train."""
    parser.add_argument(
        "data", type=Path, nargs="?", metavar="DIR", help="your folder or CSV (default: generated images)"
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where all goes (default: demo)")
    parser.add_argument("--size", type=int, metavar="N", help="working size in pixels (default: 64)")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of each training (default: 8)")


def run(arguments: argparse.Namespace) -> None:
    """Train three models, compare them, print where the page lies."""
    from medgraft.demo import demo
    from medgraft.progress import Terminal

    terminal = Terminal(sys.stdout)
    options = {name: getattr(arguments, name) for name in ("size", "epochs") if getattr(arguments, name) is not None}
    try:
        page = demo(arguments.data, arguments.out, terminal, **options)
    finally:
        terminal.close()
    print(page)
