"""Five made-up submissions, one of them hostile, and one that cannot be read: each is graded on its own."""

import csv
import json
import os
import socket

import pytest
from handed_in import HALF_RIGHT, NOTHING_DONE, RAISES_AND_LOOPS, TRIED, hostile, notebook

import medgraft
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.gradebook import write_grades
from medgraft.workshop.grading import grade
from medgraft.workshop.limits import Limits

pytestmark = pytest.mark.timeout(900)  # all are graded in the first test, on a machine that may be busy
LIMITS = Limits(seconds=2, patience=40, memory=1 << 30, written=8 << 20)

BY_HAND = {
    #                   double-conv down      up        dice-loss linear-cka
    "anna, all right": ("passed", "passed", "passed", "passed", "passed"),
    "ben, half right": ("failed", "passed", "passed", "failed", "missing"),
    "cora, stubs only": ("missing", "missing", "missing", "missing", "missing"),
    "dora, raises and loops": ("failed", "passed", "failed", "failed", "failed"),
    "eve, hostile": ("failed", "failed", "failed", "failed", "failed"),
}


def percent(made):
    """The notebook as text with cells."""
    lines = []
    for cell in made.cells:
        exercise = cell.metadata.get("exercise")
        lines += [f'# %% tags=["exercise"] exercise="{exercise}"' if exercise else "# %%", cell.source, ""]
    return "\n".join(lines)


def unreadable(folder):
    """All sorts of things that are no notebook, and notebooks of an odd form."""
    folder.mkdir()
    (folder / "broken.ipynb").write_text("{]")
    (folder / "nested.ipynb").write_text("[" * 100_000)
    (folder / "binary.py").write_bytes(bytes(range(256)))
    (folder / "nulls.py").write_text("x = 1\0\n")
    (folder / "others.ipynb").symlink_to("/etc/passwd")
    odd = [{"cell_type": "code", "source": ["x = 1"], "metadata": meta} for meta in ([], 3, {"exercise": ["up"]}, None)]
    (folder / "odd.ipynb").write_text(json.dumps({"cells": odd, "metadata": {}}))
    (folder / "odder.ipynb").write_text(json.dumps({"cells": {"a": 1}, "metadata": []}))
    (folder / "sources.ipynb").write_text(json.dumps({"cells": [{"cell_type": 3, "source": [1, 2]}]}))
    for number in range(250):
        (folder / f"z{number}.py").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "waits.ipynb")
        os.mkfifo(folder.parent / "waits.ipynb")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All of them, graded once: their marks by learner, the notes, and what the hostile one could reach."""
    folder = tmp_path_factory.mktemp("submitted")
    anna, ben, cora, dora, eve = BY_HAND
    for learner in (anna, cora, eve):
        (folder / learner / "week 1").mkdir(parents=True)
    others = folder / anna / "week 1" / "03_unet.ipynb"
    others.write_text(notebook().to_ipynb())
    (folder / f"{ben}.ipynb").write_text(HALF_RIGHT.to_ipynb())
    (folder / cora / "3.ipynb").write_text(NOTHING_DONE.to_ipynb())
    # An example with an exercise's name, as the set-up check has one: the exercise's own cell is elsewhere.
    (folder / cora / "0.py").write_text("def cka(x, y):\n    return 1\n")
    (folder / f"{dora}.py").write_text(percent(RAISES_AND_LOOPS))
    unreadable(folder / "=gus\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        enemy = hostile(server.getsockname()[1], os.getpid(), str(others), medgraft.__file__)
        (folder / eve / "all.ipynb").write_text(enemy.to_ipynb())
        before = contents(folder)
        found = grade(folder, LIMITS, 600, workers=2)
        try:
            server.accept()
            called = True
        except BlockingIOError:
            called = False
    return {row.learner: row for row in found.rows}, found.notes, before == contents(folder), called


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def marks(graded, learner):
    (row,) = (row for name, row in graded[0].items() if name.startswith(learner))
    return [row.marks[name] for name in TRIED]


def test_the_marks_are_those_of_the_table_worked_out_by_hand(graded):
    assert list(graded[0]) == ["=gus\n", *BY_HAND]
    for learner, expected in BY_HAND.items():
        assert tuple(mark.partition(":")[0] for mark in marks(graded, learner)) == expected
        assert graded[0][learner].passed == expected.count("passed")
    for row in graded[0].values():
        assert list(row.marks) == list(EXERCISES)
        assert all(mark == "missing" for name, mark in row.marks.items() if name not in TRIED)


def test_half_right_and_what_follows_a_mistake_is_not_blamed_for_it(graded):
    conv, down, _, dice, cka = marks(graded, "ben")
    assert conv.startswith("failed: each output pixel sees 5 x 5 pixels: got ")
    assert down == "passed"  # it builds on DoubleConv, for which the workshop's own stands in, as in the notebook
    assert dice.startswith("failed: values of three masks of very different size: got 0.")
    assert ", expected 0." in dice
    assert cka == "missing"  # the stub as it was handed out


def test_what_raises_is_told_where_and_does_not_stop_the_rest(graded):
    conv, down, up, _, _ = marks(graded, "dora")
    assert conv.startswith("failed: SyntaxError") and "cell 2" in conv
    assert down == "passed"  # the error comes after the definition
    assert up.startswith("failed: ModuleNotFoundError: No module named 'no_such_package' (line 1 of <module>)")


def test_what_loops_is_stopped_and_costs_no_other_exercise(graded):
    for mark in marks(graded, "dora")[3:]:
        assert mark.startswith("failed: It did not end within 2 seconds of computing.")


def test_a_hostile_one_reaches_nothing_and_changes_nobodys_mark(graded):
    _, notes, untouched, called = graded
    writes, patched, ours, calls, leaves = marks(graded, "eve")
    assert patched.startswith("failed: half the height and width")  # judged where its patches do not reach
    assert ours == "failed: This is the workshop's own Up, and not yours to be checked"
    assert leaves.startswith("failed: It ended Python itself (exit code 0)") or "folders in folders" in leaves
    # What the system lets us close is closed; what it does not, the teacher is told.
    open_network, open_files = any("network" in note for note in notes), any("disk" in note for note in notes)
    assert called is open_network
    assert ("connected" in calls) is open_network
    assert untouched != open_files
    if not open_files:
        assert writes.startswith("failed: RuntimeError: wrote OSError OSError OSError OSError False (line ")


def test_what_cannot_be_read_is_said_in_a_line_each_and_stops_nothing(graded):
    notes = [note for note in graded[1] if "gus" in note]
    for name in ("broken.ipynb", "nested.ipynb", "binary.py", "odder.ipynb", "sources.ipynb"):
        assert sum(f"{name} cannot be read as a notebook" in note for note in notes) == 1
    assert any("more than 200 files" in note for note in notes)
    assert not any("\n" in note for note in notes)
    assert not any("others.ipynb" in note or "waits" in note for note in notes)


def test_the_table_has_a_row_a_learner_and_a_column_an_exercise(graded, tmp_path):
    write_grades(tuple(graded[0].values()), tmp_path / "grades.csv")
    head, *rows = csv.reader((tmp_path / "grades.csv").open(newline=""))
    assert head == ["learner", "passed", *EXERCISES]
    assert [row[0] for row in rows] == ["'=gus\\n", *BY_HAND]
    assert [len(row) for row in rows] == [20] * 6
    assert rows[1][1] == "5" and rows[1][head.index("dice-loss")] == "passed"
