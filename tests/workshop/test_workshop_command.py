"""``medgraft workshop`` from outside."""

import csv
import json
import re
import sys

import pytest

import medgraft.workshop.grading as grading
import medgraft.workshop.starting as starting
from medgraft.cli.main import main
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.marking import Row
from medgraft.workshop.notebooks import notebook_files, solution_cell
from medgraft.workshop.record import NAME, Progress, Work, write_progress


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDGRAFT_WORKSHOP", raising=False)

    def call(*words):
        code = main(["workshop", *map(str, words)])
        return (code, *capsys.readouterr())

    return call


def test_start_copies_and_never_over_what_is_there(run, tmp_path):
    names = [f"{path.stem}.ipynb" for path in notebook_files()]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / names[0]).write_text("my answers")
    code, out, _ = run("start", "mine", "--no-open")
    assert code == 0
    assert out.splitlines()[-1] == "mine"
    assert f"1 notebook kept as you left them: {names[0]}" in out
    assert (tmp_path / "mine" / names[0]).read_text() == "my answers"
    for name in names[1:]:
        assert json.loads((tmp_path / "mine" / name).read_text(encoding="utf-8"))["cells"]
    (tmp_path / "mine" / "medgraft-docs" / "index.md").write_text("my notes")
    before = contents(tmp_path / "mine")
    again = run("start", "mine", "--no-open")[1]
    assert "written" not in again and f"{len(names)} notebooks kept" in again
    assert before == contents(tmp_path / "mine")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_page_that_a_notebook_links_to_is_there(run, tmp_path):
    run("start", "mine", "--no-open")
    links = {
        (path.name, link)
        for path in (tmp_path / "mine").glob("*.ipynb")
        for link in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
        if not link.startswith("http")
    }
    assert len(links) > 20
    assert [one for one in sorted(links) if not (tmp_path / "mine" / one[1]).is_file()] == []


def test_start_looks_at_the_setup_and_says_what_lacks(run, monkeypatch):
    found = starting.importlib.util.find_spec
    monkeypatch.setattr(
        starting.importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else found(name)
    )
    code, out, err = run("start", "mine")
    assert "✓ Python 3." in out and "✓ torch " in out
    assert "✗ jupyterlab, which opens the notebooks: pip install 'medgraft[workshop]'" in out
    assert code == 2
    assert err.count("\n") == 1 and "Jupyter Lab is not installed" in err


def test_start_opens_the_first_notebook_in_the_folder(run, monkeypatch, tmp_path):
    called = []

    class Ended:
        returncode = 0

    monkeypatch.setattr(starting.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(starting.subprocess, "run", lambda *words, **options: called.append((words, options)) or Ended)
    code, _, err = run("start", "mine")
    assert code == 0, err
    ((words, options),) = called
    first = min(path.name for path in (tmp_path / "mine").glob("*.ipynb"))
    assert words[0] == [sys.executable, "-m", "jupyterlab", first]
    assert str(options["cwd"]) == "mine"


def test_progress_is_that_of_the_folder(run, tmp_path):
    (tmp_path / "mine").mkdir()
    write_progress(Progress({"dice-loss": Work(tries=1, passed=1.8e9)}), tmp_path / "mine" / NAME)
    assert "✓ dice-loss" in run("progress", "mine")[1]
    assert run("progress")[1].startswith("Exercises: 0 of 18 passed")


OF_NO_CELL = """
from medgraft.workshop import working
from medgraft.workshop.solutions.up import Up
DiceLoss = working('dice-loss', None)
"""


def test_grade_writes_the_table(run, tmp_path):
    """Of a file without cells, what has the name of an exercise is tried, and what is ours does not count."""
    (tmp_path / "submitted").mkdir()
    (tmp_path / "submitted" / "ben.py").write_text(f"{solution_cell('linear-cka')}\n{OF_NO_CELL}")
    code, out, _ = run("grade", "submitted", "--out", "marks.csv", "--seconds", 200, "--memory", 1024, "--workers", 1)
    assert code == 0
    assert out.splitlines() == ["ben   1 of 18 passed", "marks.csv"]
    (row,) = csv.DictReader((tmp_path / "marks.csv").open(newline=""))
    assert (row["learner"], row["passed"], row["linear-cka"]) == ("ben", "1", "passed")
    assert {name for name, mark in row.items() if mark == "missing"} == set(EXERCISES) - {"linear-cka"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marks.csv", "submitted"]


@pytest.fixture
def marked(monkeypatch, tmp_path):
    """Four learners, whose marks are made up from the key of the grading; what was asked for, and when to break off."""
    asked, stops = [], []

    def mark(submission, under):
        asked.append(submission.learner)
        if submission.learner in stops:
            raise KeyboardInterrupt
        return Row(submission.learner, dict.fromkeys(EXERCISES, f"failed: {under.key.hex()}"))

    monkeypatch.setattr(grading, "mark", mark)
    (tmp_path / "submitted").mkdir()
    for name in ("anna", "ben", "cora", "dora"):
        (tmp_path / "submitted" / f"{name}.py").write_text("x = 1\n")
    return asked, stops


def test_a_grading_that_was_broken_off_goes_on_to_the_same_table(run, tmp_path, marked):
    asked, stops = marked
    stops.append("cora")
    words = ("grade", "submitted", "--out", "marks.csv", "--workers", 1)
    code, out, err = run(*words)
    assert (code, out) == (130, "")
    assert "--resume goes on" in err
    kept = tmp_path / "marks.csv.unfinished"
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept.name, "submitted"]
    assert kept.stat().st_mode & 0o077 == 0
    key = json.loads(kept.read_text().splitlines()[0])["key"]
    kept.write_text(kept.read_text() + '{"digest": "half a line')
    (tmp_path / "submitted" / "ben.py").write_text("x = 2\n")  # handed in again meanwhile

    assert run(*words, "--resume", "--memory", 1024)[0] == 2  # other conditions
    asked.clear()
    assert run(*words, "--resume")[0] == 130  # once more
    assert "ben" in asked and "anna" not in asked
    stops.clear()
    asked.clear()
    assert run(*words, "--resume")[0] == 0
    assert "cora" in asked and not {"anna", "ben"} & set(asked)
    rows = list(csv.DictReader((tmp_path / "marks.csv").open(newline="")))
    assert [row["learner"] for row in rows] == ["anna", "ben", "cora", "dora"]
    assert {row[name] for row in rows for name in EXERCISES} == {f"failed: {key}"}
    assert not kept.exists()


def test_without_resume_a_grading_begins_anew(run, tmp_path, marked):
    asked, stops = marked
    stops.append("dora")
    run("grade", "submitted", "--workers", 1)
    stops.clear()
    asked.clear()
    assert run("grade", "submitted", "--workers", 1)[0] == 0
    assert asked == ["anna", "ben", "cora", "dora"]


def test_what_breaks_the_grader_costs_one_row(run, tmp_path, monkeypatch, marked):
    mark = grading.mark

    def breaks(submission, under):
        if submission.learner == "ben":
            raise RuntimeError("no\nway")
        return mark(submission, under)

    monkeypatch.setattr(grading, "mark", breaks)
    assert run("grade", "submitted")[0] == 0
    rows = list(csv.DictReader((tmp_path / "grades.csv").open(newline="")))
    assert [row["up"] == "failed: it could not be graded (RuntimeError: no way)" for row in rows] == [
        False, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("grade", "nowhere"), "nowhere is no folder"),
        (("grade", "."), "holds no notebook"),
        (("grade",), "which folder"),
        (("start",), "which folder"),
        (("progress", "nowhere"), "nowhere is no folder"),
        (("grade", ".", "--seconds", "0"), "--seconds must be above 0"),
        (("grade", ".", "--memory", "-5"), "--memory must be above 0"),
        (("grade", ".", "--workers", "0"), "--workers must be above 0"),
        (("grade", ".", "--out", "anna.ipynb"), "would be taken for something handed in"),
        (("progress", "--resume"), "--resume is for medgraft workshop grade"),
        (("grade", ".", "--no-open"), "--no-open is for medgraft workshop start"),
        (("start", "a", "--out", "b"), "--out is for medgraft workshop grade"),
        (("mark", "a"), "invalid choice"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, tmp_path, words, said):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_start_into_a_file_is_refused(run, tmp_path):
    (tmp_path / "mine").write_text("a file")
    code, _, err = run("start", "mine", "--no-open")
    assert code == 2
    assert "mine is a file" in err
    assert (tmp_path / "mine").read_text() == "a file"
