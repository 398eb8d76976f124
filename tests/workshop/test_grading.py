"""Five made-up submissions, one of them hostile, and a file that lost its cells: each is graded on its own."""

import csv
import socket

import pytest
from handed_in import HALF_RIGHT, LOOPS, RAISES, TRIED, hostile, notebook

import medgraft
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.gradebook import write_grades
from medgraft.workshop.grading import grade
from medgraft.workshop.limits import Limits
from medgraft.workshop.notebooks import solution_cell

pytestmark = pytest.mark.timeout(900)  # all are graded in the first test, on a machine that may be busy
LIMITS = Limits(seconds=10, memory=1 << 30, written=8 << 20)


def percent(made):
    """The notebook as text with cells."""
    lines = []
    for cell in made.cells:
        exercise = cell.metadata.get("exercise")
        lines += [f'# %% tags=["exercise"] exercise="{exercise}"' if exercise else "# %%", cell.source, ""]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All of them, graded once: their marks by learner, the notes, and what the hostile one could reach."""
    folder = tmp_path_factory.mktemp("submitted")
    for learner in ("anna", "eve"):
        (folder / learner / "week 1").mkdir(parents=True)
    others = folder / "anna" / "week 1" / "03_unet.ipynb"
    others.write_text(notebook().to_ipynb())
    (folder / "ben.ipynb").write_text(HALF_RIGHT.to_ipynb())
    (folder / "cora.ipynb").write_text(RAISES.to_ipynb())
    (folder / "dora.py").write_text(percent(LOOPS))
    (folder / "finn.py").write_text(
        f"{solution_cell('linear-cka')}\n\nfrom medgraft.workshop import working\n"
        "DiceLoss = working('dice-loss', None)\nfrom medgraft.workshop.solutions.up import Up\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        enemy = hostile(server.getsockname()[1], str(others), medgraft.__file__)
        (folder / "eve" / "all.ipynb").write_text(enemy.to_ipynb())
        before = {path: path.read_bytes() for path in folder.rglob("*.*")}
        found = grade(folder, LIMITS, 300)
        try:
            server.accept()
            called = True
        except BlockingIOError:
            called = False
    after = {path: path.read_bytes() for path in folder.rglob("*.*")}
    return {row.learner: row for row in found.rows}, found.notes, before == after, called


def marks(graded, learner):
    return [graded[0][learner].marks[name] for name in TRIED]


def test_there_is_a_row_for_each_learner_and_a_mark_for_each_exercise(graded):
    assert list(graded[0]) == ["anna", "ben", "cora", "dora", "eve", "finn"]
    for row in graded[0].values():
        assert list(row.marks) == list(EXERCISES)
        assert all(mark == "missing" for name, mark in row.marks.items() if name not in TRIED)


def test_all_right(graded):
    assert marks(graded, "anna") == ["passed"] * 4
    assert graded[0]["anna"].passed == 4


def test_half_right_and_what_follows_a_mistake_is_not_blamed_for_it(graded):
    conv, down, dice, cka = marks(graded, "ben")
    assert conv.startswith("failed: each output pixel sees 5 x 5 pixels: got ")
    assert down == "passed"  # it builds on DoubleConv, for which the workshop's own stands in, as in the notebook
    assert dice.startswith("failed: values of three masks of very different size: got 0.")
    assert ", expected 0." in dice
    assert cka == "missing"  # the stub as it was handed out


def test_what_raises_is_told_where_and_does_not_stop_the_rest(graded):
    conv, down, dice, cka = marks(graded, "cora")
    assert conv.startswith("failed: SyntaxError") and "cell 2" in conv
    assert down == "passed"  # the error comes after the definition
    assert dice.startswith("failed: ModuleNotFoundError: No module named 'no_such_package' (line 1 of <module>)")
    assert cka.startswith("failed: AttributeError") and "(line 2 of cka)" in cka


def test_what_loops_is_stopped_and_costs_no_other_exercise(graded):
    conv, down, dice, cka = marks(graded, "dora")
    assert (conv, down) == ("passed", "passed")
    for mark in (dice, cka):
        assert mark.startswith("failed: It did not end within 10 seconds.")


def test_a_hostile_one_reaches_nothing_and_changes_nobodys_mark(graded):
    rows, notes, untouched, called = graded
    writes, patched, calls, leaves = marks(graded, "eve")
    assert patched.startswith("failed: half the height and width")  # judged where its patches do not reach
    assert leaves.startswith("failed: It ended Python itself (exit code 0)")
    assert calls.startswith("failed: ") and not rows["eve"].passed
    # What the system lets us close is closed; what it does not, the teacher is told.
    open_network, open_files = any("network" in note for note in notes), any("disk" in note for note in notes)
    assert called is open_network
    assert ("connected" in calls) is open_network
    assert untouched != open_files
    if not open_files:
        assert writes == "failed: RuntimeError: wrote OSError OSError False (line 10 of <module>)"


def test_a_file_without_cells_is_tried_by_name_and_what_is_ours_does_not_count(graded):
    passed = {name for name, mark in graded[0]["finn"].marks.items() if mark != "missing"}
    assert passed == {"linear-cka"}
    assert marks(graded, "finn")[3] == "passed"


def test_the_table_has_a_row_a_learner_and_a_column_an_exercise(graded, tmp_path):
    write_grades(tuple(graded[0].values()), tmp_path / "grades.csv")
    head, *rows = csv.reader((tmp_path / "grades.csv").open(newline=""))
    assert head == ["learner", "passed", *EXERCISES]
    assert [row[0] for row in rows] == list(graded[0])
    assert [len(row) for row in rows] == [20] * 6
    assert rows[0][1] == "4" and rows[0][head.index("dice-loss")] == "passed"
