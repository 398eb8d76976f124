"""What grading is made of, piece by piece, with no process but where the walls are tried."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from handed_in import notebook

import medgraft.workshop.marking as marking
from medgraft.errors import DataError
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.emptying import temporary_folder
from medgraft.workshop.gradebook import write_grades
from medgraft.workshop.kernel import Kernel
from medgraft.workshop.limits import Limits, on_disk
from medgraft.workshop.marking import Row, _failed
from medgraft.workshop.notebook import Cell, Notebook
from medgraft.workshop.overseer import Outcome
from medgraft.workshop.room import Walls, made_room, walls_here
from medgraft.workshop.runnable import Step, steps_of
from medgraft.workshop.session import Session
from medgraft.workshop.submissions import Handed, Submission, read_submissions


def test_of_other_cells_only_definitions_are_run():
    source = (
        "import os\nfrom torch import nn\nSIDE = 2 * 32\nmodel = train()\nmodel.fit()\n%time\n"
        "def half(x):\n    return x / 2\nclass Net(nn.Module): pass\nwhile True: pass\ncheck('up', half)"
    )
    (step,) = steps_of(Notebook((Cell("markdown", "words"), Cell("code", source))))
    assert (step.where, step.exercise) == ("cell 2", None)
    assert [line for line in step.source.splitlines() if line] == [
        "from torch import nn", "SIDE = 2 * 32", "def half(x):", "    return x / 2",
        "class Net(nn.Module):", "    pass",
    ]  # fmt: skip


def test_cells_of_exercises_are_run_whole_and_unknown_ones_are_none():
    cells = (
        Cell("code", "x = f()", {"exercise": "up"}),
        Cell("code", "y = 1\nz = f()", {"exercise": "no-such"}),
        Cell("code", "def ("),
    )
    assert steps_of(Notebook(cells)) == [Step("x = f()", "cell 1", "up"), Step("y = 1", "cell 2")]


def test_an_import_is_run_where_something_that_is_run_uses_it():
    cells = (
        Cell("code", "import a.b\nimport c as d, e\nfrom f import *\nfrom g import h, i\nimport j\nimport k\nk.l()"),
        Cell("code", "def half(x):\n    return a.b.half(x, j)"),
        Cell("code", "def cka(x, y):\n    return i(x) @ e", {"exercise": "linear-cka"}),
    )
    assert steps_of(Notebook(cells))[0].source.splitlines() == [
        "import a.b", "import c as d, e", "from f import *", "from g import h, i", "import j",
    ]  # fmt: skip


def test_a_session_keeps_what_cells_define():
    session = Session()
    assert session.run("import math", "cell 1", None)["defined"] is False
    assert session.run("def cka(x, y):\n    return math.pi", "cell 2", "linear-cka") == {
        "raised": None, "defined": True, "own": None, "new": [],
    }  # fmt: skip
    assert session.objects["linear-cka"](1, 2) == pytest.approx(3.14159, abs=1e-5)
    session.stand_in("linear-cka")
    assert session.run("print(cka)", "cell 3", "linear-cka")["defined"] is False
    left = session.run("raise SystemExit(3)", "cell 4", "up")
    assert (left["raised"], left["defined"]) == ("SystemExit: 3 (line 1 of <module>)", False)
    assert session.objects["linear-cka"](1, 2) == pytest.approx(3.14159, abs=1e-5)
    session.begin()
    assert not session.objects
    assert session.run("cka", "cell 1", "linear-cka")["raised"].startswith("NameError")


@pytest.mark.parametrize(
    "source",
    [
        "from medgraft.workshop.solutions.linear_cka import cka",
        "from medgraft.workshop.own import solution_object\ncka = solution_object('linear-cka')",
        "import functools\nfrom medgraft.workshop.solutions import linear_cka\ncka = functools.partial(linear_cka.cka)",
        "from medgraft.files import write_text as cka",
    ],
)
def test_what_is_imported_from_the_package_is_refused(source):
    session = Session()
    told = session.run(source, "cell 1", "linear-cka")
    assert told == {
        "raised": None, "defined": False, "new": [],
        "own": "This is the workshop's own cka, and not yours to be checked",
    }  # fmt: skip
    assert "linear-cka" not in session.objects
    session.begin()
    assert session.run(source, "cell 1", None)["new"] == []
    assert session.run("def cka(x, y): pass", "cell 2", None)["new"] == ["linear-cka"]
    assert session.run("x = 1", "cell 3", None)["new"] == []
    assert session.objects.keys() == {"linear-cka"}


def test_an_error_after_the_definition_leaves_the_object():
    told = Session().run("def cka(x, y):\n    return 1\ncka()", "cell 2", "linear-cka")
    assert told["defined"] is True
    assert told["raised"].startswith("TypeError")


class Pretended:
    """A process of which some cells end it."""

    def __init__(self, log, fatal):
        self.log, self.fatal = log, fatal

    def run(self, source, where, exercise):
        self.log.append(source)
        return Outcome(went_wrong="gone", ended=True) if source in self.fatal else Outcome({"defined": True})

    def stand_in(self, exercise):
        self.log.append(f"for {exercise}")
        return Outcome()

    def close(self):
        self.log.append("closed")


def test_a_kernel_starts_again_without_the_cell_that_ended_it():
    log = []
    with Kernel(lambda: Pretended(log, {"b"}), time.monotonic() + 60) as kernel:
        for source in "abc":
            kernel.run(Step(source, "cell"))
        kernel.stand_in("up")
    assert log == ["a", "b", "closed", "a", "c", "for up", "closed"]


def test_a_kernel_without_time_says_so():
    with Kernel(lambda: Pretended([], set()), time.monotonic() - 1) as kernel:
        outcome = kernel.run(Step("a", "cell"))
    assert outcome.ended
    assert "time for the whole submission" in outcome.went_wrong


def test_each_process_finds_what_was_handed_in_and_nothing_of_the_one_before(tmp_path, monkeypatch):
    found = []

    class Fills(Pretended):
        def __init__(self, limits, room, stopped):
            super().__init__([], {"a", "b"})
            found.append(sorted(path.name for path in room.work.iterdir()))
            (room.work / "left").write_text("")

        def begin(self):
            return Outcome()

    monkeypatch.setattr(marking, "Overseer", Fills)
    cells = tuple(Cell("code", source, {"exercise": name}) for source, name in (("a", "up"), ("b", "down")))
    handed = Submission("anna", (Handed("a.ipynb", Notebook(cells)),), {"in/more.py": b""})
    row = marking.mark(handed, marking.Conditions(Limits(), 60, Walls((), ()), b"key", tmp_path))
    assert found == [["in"], ["in"]]
    assert (row.marks["up"], row.marks["down"]) == ("failed: gone", "failed: gone")
    assert not list(tmp_path.iterdir())


def test_a_reason_fits_a_cell_of_the_table():
    assert _failed("NotImplementedError (line 2 of cka)") == "missing"
    assert _failed("one\ntwo\x00\tthree") == "failed: one two three"
    assert len(_failed("x" * 10_000)) < 300


@pytest.mark.parametrize(
    ("name", "written"), [("=1+1", "'=1+1"), (" @a", "' @a"), ("a\nb\x1b[2J", "a\\nb\\x1b[2J"), ("Zoë-1", "Zoë-1")]
)
def test_names_are_no_formulas_and_stay_in_a_line(tmp_path, name, written):
    write_grades((Row(name, dict.fromkeys(EXERCISES, "missing")),), tmp_path / "g.csv")
    assert (tmp_path / "g.csv").read_text(encoding="utf-8").splitlines()[1].startswith(f"{written},0,missing,")


def test_submissions_are_read_by_learner(tmp_path):
    text = notebook().to_ipynb()
    for place in ("anna/b.ipynb", "anna/deep/a.ipynb", "anna/.ipynb_checkpoints/b.ipynb", "ben.ipynb", "ben/more.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text if place.endswith("ipynb") else "x = 1\n")
    (tmp_path / "notes.txt").write_text("no submission")
    (tmp_path / "cora").mkdir()
    (tmp_path / "dora.ipynb").write_text("{]")
    (tmp_path / "eve").symlink_to(tmp_path / "anna")
    found = {one.learner: one for one in read_submissions(tmp_path)}
    assert list(found) == ["anna", "ben", "cora", "dora"]
    assert [one.where for one in found["anna"].files] == ["b.ipynb", "deep/a.ipynb"]
    assert [one.where for one in found["ben"].files] == ["ben.ipynb", "more.py"]
    assert found["ben"].modules == {"more.py": b"x = 1\n"}
    assert not found["cora"].files
    assert "dora.ipynb cannot be read as a notebook" in found["dora"].unread[0]


def test_a_folder_without_submissions_is_refused(tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        read_submissions(tmp_path / "none")
    with pytest.raises(DataError, match="holds no notebook"):
        read_submissions(tmp_path)


def test_files_are_counted_with_their_blocks(tmp_path):
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"x" * 5000 * number)
    (tmp_path / "link").symlink_to("/")
    assert on_disk(tmp_path, 1 << 20) == 4096 + 5000 + 10000 + 4096
    assert on_disk(tmp_path, 100) > 100


def test_folders_in_folders_without_end_are_too_much_and_can_be_removed(tmp_path):
    with temporary_folder("deep-", tmp_path) as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1200):
            os.mkdir("a", dir_fd=here)
            below = os.open("a", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        (folder / "closed").mkdir()
        (folder / "closed" / "file").touch()
        (folder / "closed").chmod(0)
        (folder / "link").symlink_to("/")
        assert on_disk(folder, 1 << 30) > 1 << 30
    assert not list(tmp_path.iterdir())


def test_a_room_has_no_variable_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", "secret")
    room = made_room(tmp_path, Walls((), ()))
    assert "secret" not in room.environment.values()
    assert room.environment["HOME"] == room.environment["TMPDIR"] == str(tmp_path / "work")
    assert room.command(["a"]) == ["a"]


def test_the_walls_hold_what_they_say(tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "answer.py").touch()
    walls = walls_here((tmp_path,), (tmp_path / "others",))
    (tmp_path / "room").mkdir()
    room = made_room(tmp_path / "room", walls)
    (tmp_path / "guarded").write_text("as it was")
    tries = (
        "import os, pathlib, socket\n"
        f"print(*os.listdir({str(tmp_path / 'others')!r}))\n"
        "pathlib.Path('own').write_text('mine')\n"
        "try: pathlib.Path('../../guarded').write_text('changed')\n"
        "except OSError: print('files')\n"
        "try: socket.create_connection(('127.0.0.1', 9), timeout=2)\n"
        "except OSError as error: print('network' if error.errno == 101 else 'refused')\n"
    )
    told = subprocess.run(room.command([sys.executable, "-c", tries]), cwd=room.work, env=dict(room.environment),
                          capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert ("files" not in told) == ("files" in walls.left_open)
    assert ("network" not in told) == ("network" in walls.left_open)
    assert ("answer.py" in told) == ("files" in walls.left_open)
    assert (tmp_path / "room" / "work" / "own").read_text() == "mine"
    assert Path(tmp_path / "guarded").read_text() == ("changed" if "files" in walls.left_open else "as it was")
