"""``medgraft workshop`` from outside."""

import csv
import json
import re
import sys

import pytest
from handed_in import HALF_RIGHT

import medgraft.workshop.starting as starting
from medgraft.cli.main import main
from medgraft.workshop.notebooks import notebook_files
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


def test_grade_writes_the_table(run, tmp_path):
    (tmp_path / "submitted").mkdir()
    (tmp_path / "submitted" / "ben.ipynb").write_text(HALF_RIGHT.to_ipynb())
    code, out, _ = run("grade", "submitted", "--out", "marks.csv", "--seconds", 200, "--memory", 1024)
    assert code == 0
    assert out.splitlines() == ["ben   1 of 18 passed", "marks.csv"]
    (row,) = csv.DictReader((tmp_path / "marks.csv").open(newline=""))
    assert (row["learner"], row["passed"], row["down"], row["linear-cka"]) == ("ben", "1", "passed", "missing")


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
