"""Runs a notebook of the workshop from top to bottom, in a kernel of its own and with no network."""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from medgraft.workshop.notebook import Notebook, read_notebook
from medgraft.workshop.notebooks import solved
from medgraft.workshop.record import NAME, read_progress

TEXTS = sorted((Path(__file__).parents[2] / "workshop").glob("[0-9][0-9]_*.py"))
NO_NETWORK = """
import socket
def refused(*address, **options):
    raise OSError("a notebook asked for the network")
within = socket.socket.connect
def connect(self, address):
    return within(self, address) if self.family == socket.AF_UNIX or address[0] == "127.0.0.1" else refused()
socket.socket.connect = connect
"""


def played(notebook: Notebook, folder: Path) -> list:
    """Run the cells in ``folder``; returns them with their outputs. An error in any cell is raised."""
    book = nbformat.reads(notebook.to_ipynb(), as_version=4)
    book.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
    NotebookClient(book, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return book.cells[1:]


def printed(cell) -> str:
    """What a cell printed."""
    return "".join(output.text for output in cell.get("outputs", ()) if output.output_type == "stream")


def verdicts(cells) -> dict[str, bool]:
    """By exercise, whether its check passed."""
    found = {}
    for cell in cells:
        if "check" in cell.metadata.get("tags", ()):
            (name,) = re.findall(r'check\("([\w-]+)"', cell.source)
            assert re.search(r": (all right|not yet)$", printed(cell), re.MULTILINE), printed(cell)
            found[name] = ": all right" in printed(cell)
    return found


def plays_through(number: int, folder: Path, patch) -> None:
    """Run a notebook solved, then as a learner gets it: no error, and the checks of just the exercises fail.

    Both are run in one folder, as a learner would, so the second opens what the first one trained.
    """
    patch.setenv("MEDGRAFT_WORKSHOP", str(folder))
    patch.delenv("MEDGRAFT_WORKSHOP_DATA", raising=False)
    patch.setenv("OMP_NUM_THREADS", "1")
    learner = read_notebook(TEXTS[number].with_suffix(".ipynb"))
    assert verdicts(played(solved(learner), folder)) == dict.fromkeys(learner.exercises, True)
    (folder / NAME).unlink(missing_ok=True)
    cells = played(learner, folder)
    assert verdicts(cells) == dict.fromkeys(learner.exercises, False)
    assert [name for name, work in read_progress(folder / NAME).exercises.items() if work.passed] == []
