"""The command ``medgraft``: choose the subcommand, run it, turn errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from medgraft.cli.parser import CommandParser
from medgraft.errors import MedgraftError
from medgraft.threads import share_cores
from medgraft.version import __version__

COMMANDS = {
    "demo": "train three models on a generated set (or on your folder) and compare them",
    "inspect": "look at a data set before training: what is wrong, what would leak",
    "distance": "how far images are from what an encoder was pretrained on, or from others",
    "advise": "recommend a strategy for your data, with the reasons and the figures behind it",
    "fit": "train a model on images with masks or labels, evaluate it, write a report",
    "evaluate": "calibrate a run, choose its threshold, score it by subgroups, or on other data",
    "compare": "compare runs on the same test images",
    "study": "does transfer help here: initialisations, encoders and numbers of images, on equal terms",
    "sources": "which pretrained weights suit this data: the same target from several sources, ranked",
    "predict": "write masks, or labels, for new images",
    "explain": "show where a model looked, and check that its maps mean something",
    "reuse": "tell which blocks of a pretrained encoder are reused, and which are relearned",
    "report": "write a run's report again",
    "export": "write a trained model as one file that runs without PyTorch",
    "serve": "a web page and an API for trained models",
    "encoders": "list encoders, and weights pretrained on medical images",
    "rank": "rank encoders by how well their features suit your data, before training",
    "datasets": "list public data sets, and fetch them",
    "workshop": "learn transfer learning in notebooks that check your code; grade a course",
}

EXAMPLES = """to begin:
  medgraft demo                                see it work, on generated images
  medgraft inspect lesions/                    look at your data first
  medgraft advise lesions/                     which strategy suits your data, and why
  medgraft fit lesions/                        train on your folder: images/ and masks/
  medgraft fit xrays/                          or a folder a class, or a CSV with labels
  medgraft evaluate runs/first theirs/         does it hold on other images
  medgraft compare runs/first runs/second      which is better, and how surely
  medgraft predict runs/first photos/          masks, or labels, for new images

medgraft COMMAND --help explains a command.
exit codes: 0 done, 2 something you can mend, 1 our defect, 130 stopped by Ctrl-C;
3 errors found by inspect --strict.
"""

OK, OURS, YOURS, INTERRUPTED = 0, 1, 2, 130

_MENDABLE = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG")
    if hasattr(errno, name)
)
"""What a disk refuses for reasons of the user's: no space, no permission, a file where a folder should be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 2: something the user can mend, said in one message. 1: a defect of ours, with a traceback. 130:
    stopped by Ctrl-C.
    """
    share_cores()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else OK
    except MedgraftError as error:
        return _say(f"error: {error}", YOURS)
    except KeyboardInterrupt:
        return _say("stopped; what was finished is kept.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe has gone (medgraft ... | head); what is left to say has no one to hear it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno in _MENDABLE:
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"error: {where}{error.strerror}; make room there, or name another place.", YOURS)
        return _defect()
    except Exception:
        return _defect()
    return OK


def _run(given: list[str]) -> None:
    chosen = next((word for word in given if word in COMMANDS), None)
    parser, command = _parsers(chosen)
    parsed, leftover = parser.parse_known_args(given)
    if leftover:
        command.refuse(leftover)
    if parsed.command is None:
        parser.print_help()
    else:
        importlib.import_module(f"medgraft.cli.{parsed.command}").run(parsed)


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _defect() -> int:
    traceback.print_exc()
    return _say("error: this is a defect of medgraft; the lines above say where.", OURS)


def _parsers(chosen: str | None) -> tuple[CommandParser, CommandParser]:
    """The whole parser and the chosen command's; only that one's options are loaded, so that help comes at once."""
    parser = CommandParser(
        prog="medgraft",
        description="Transfer learning on medical images: train fast, compare honestly.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"medgraft {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    command = parser
    for name, summary in COMMANDS.items():
        added = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == chosen:
            importlib.import_module(f"medgraft.cli.{name}").add_arguments(added)
            command = added
    return parser, command
