"""The command ``medgraft``: choose the subcommand, run it, turn errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from medgraft.errors import MedgraftError
from medgraft.version import __version__

COMMANDS = {
    "demo": "train three models on a generated set (or on your folder) and compare them",
    "fit": "train a model on a folder of images, evaluate it, write a report",
    "compare": "compare runs on the same test images",
    "predict": "write masks and overlays for new images",
    "report": "write a run's report again",
}

OK, OURS, YOURS, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 2: something the user can mend, said in one message. 1: a defect of ours, with a traceback. 130:
    stopped by Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in given if word in COMMANDS), None)
    parser = _parser(chosen)
    try:
        parsed = parser.parse_args(given)
        if parsed.command is None:
            parser.print_help()
            return OK
        importlib.import_module(f"medgraft.cli.{parsed.command}").run(parsed)
        sys.stdout.flush()
    except MedgraftError as error:
        print(f"error: {error}", file=sys.stderr)
        return YOURS
    except KeyboardInterrupt:
        print("stopped. What was trained so far is kept; add --resume to go on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone (medgraft ... | head); what is left to say has no one to hear it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:
        traceback.print_exc()
        print("error: this is a defect of medgraft; the lines above say where.", file=sys.stderr)
        return OURS
    return OK


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line, without the page of usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(YOURS, f"error: {message}. {self.prog} --help lists what there is.\n")


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the chosen command's options are loaded, so that help comes at once."""
    parser = _Parser(
        prog="medgraft",
        description="Transfer learning on medical images: train fast, compare honestly.",
        epilog="medgraft COMMAND --help explains a command. Exit codes: 0 done, 2 something you can mend, 1 our defect.",
    )
    parser.add_argument("--version", action="version", version=f"medgraft {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == chosen:
            importlib.import_module(f"medgraft.cli.{name}").add_arguments(command)
    return parser
