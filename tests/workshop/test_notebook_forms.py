"""Notebooks as text and as JSON, and what is made of them."""

import json
from itertools import pairwise

import pytest

from medgraft.errors import DataError, RunError
from medgraft.workshop import notebooks
from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.notebook import Cell, from_percent, read_notebook
from medgraft.workshop.notebooks import (
    learner_notebook,
    notebook_files,
    solution_cell,
    solved,
    with_nbgrader,
    with_slides,
)

TEXT = '''# ---
# jupyter:
#   kernelspec: {}
# ---

# %% [markdown]
# # Dice
#
# Write `DiceLoss`.

# %%
import torch

# %% tags=["exercise"] exercise="dice-loss" nbgrader={"grade": false, "grade_id": "mine", "a": [1, {"b": "="}]}
class DiceLoss:
    """# %% is no mark here."""
    raise NotImplementedError


# %% The check tags=["check"]
check("dice-loss", DiceLoss)

# %% tags=["exercise"] exercise="up"
# %% tags=["check"]
check("up", Up)
'''


def test_text_becomes_cells():
    words, imports, dice, checked, empty, last = from_percent(TEXT).cells
    assert (words.kind, words.source) == ("markdown", "# Dice\n\nWrite `DiceLoss`.")
    assert imports == Cell("code", "import torch")
    assert dice.tags == ("exercise",)
    assert dice.exercise == "dice-loss"
    assert dice.metadata["nbgrader"] == {"grade": False, "grade_id": "mine", "a": [1, {"b": "="}]}
    assert dice.source.startswith("class DiceLoss:") and dice.source.endswith("raise NotImplementedError")
    assert checked == Cell("code", 'check("dice-loss", DiceLoss)', {"tags": ["check"]})
    assert (empty.source, empty.exercise) == ("", "up")
    assert from_percent(TEXT).exercises == ("dice-loss", "up")
    assert last.tags == ("check",)


def test_text_without_cells_is_one():
    (cell,) = from_percent("import torch\nx = 1\n").cells
    assert cell == Cell("code", "import torch\nx = 1")
    assert from_percent("").cells == ()


def test_both_forms_hold_the_same_cells(tmp_path):
    made = from_percent(TEXT)
    (tmp_path / "a.ipynb").write_text(made.to_ipynb(), encoding="utf-8")
    (tmp_path / "a.py").write_text(TEXT, encoding="utf-8")
    assert read_notebook(tmp_path / "a.ipynb").cells == read_notebook(tmp_path / "a.py").cells == made.cells
    plain = json.loads(made.to_ipynb())
    assert (plain["nbformat"], plain["metadata"]["kernelspec"]["name"]) == (4, "python3")
    assert plain["cells"][1]["outputs"] == [] and "outputs" not in plain["cells"][0]
    assert len({cell["id"] for cell in plain["cells"]}) == 6


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [{"source": 3, "cell_type": "code"}]}', '{"cells": [3]}'])
def test_what_is_no_notebook_is_said(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(DataError, match=r"a\.ipynb cannot be read as a notebook"):
        read_notebook(tmp_path / "a.ipynb")


def test_nbgrader_finds_solutions_and_locked_checks():
    told = [cell.metadata.get("nbgrader") for cell in with_nbgrader(from_percent(TEXT)).cells]
    assert told[:2] == [None, None]
    assert told[2]["grade_id"] == "mine"  # what a cell says of itself is kept
    whole = {"grade": False, "schema_version": 3, "task": False}
    assert told[3] == {**whole, "grade_id": "check-dice-loss", "locked": True, "solution": False}
    assert told[4] == {**whole, "grade_id": "up", "locked": False, "solution": True}
    assert told[5]["grade_id"] == "check-up"


def test_the_solved_form_has_solutions_in_the_cells_of_exercises_alone():
    cells = solved(from_percent(TEXT)).cells
    assert cells[2].source == solution_cell("dice-loss")
    assert cells[2].metadata["exercise"] == "dice-loss"
    assert [cells[k] for k in (0, 1, 3, 5)] == [from_percent(TEXT).cells[k] for k in (0, 1, 3, 5)]


@pytest.mark.parametrize("name", EXERCISES)
def test_a_solution_as_a_cell_defines_the_name_of_its_exercise(name):
    source = solution_cell(name)
    assert source.startswith(("import ", "from ", "def ", "class "))
    names: dict = {}
    exec(compile(source, name, "exec"), names)
    assert callable(names[exercise_of(name).defines])


def test_every_exercise_has_its_cell_in_the_notebook_that_it_says():
    found = {name: int(path.name[:2]) for path in notebook_files() for name in read_notebook(path).exercises}
    assert found == {name: exercise_of(name).notebook for name in EXERCISES}


def test_each_exercise_is_followed_by_its_check():
    for path in notebook_files():
        cells = read_notebook(path).cells
        for cell, after in pairwise(cells):
            if cell.exercise is not None:
                defines = exercise_of(cell.exercise).defines
                assert "exercise" in cell.tags and "check" in after.tags, cell.exercise
                assert "NotImplementedError" in cell.source
                assert f'check("{cell.exercise}", {defines})' in after.source
                assert f'{defines} = working("{cell.exercise}", {defines})' in after.source


def test_a_learner_gets_stubs_and_nbgraders_metadata():
    for path in notebook_files():
        told = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(learner_notebook(path))["cells"]]
        ids = [one["grade_id"] for one in told if one]
        assert len(ids) == len(set(ids))
        assert sum(one.get("solution", False) for one in told) == len(read_notebook(path).exercises)


def test_slides_begin_with_text_and_leave_checks_out():
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in with_slides(from_percent(TEXT)).cells]
    assert kinds == ["slide", "-", "-", "skip", "-", "skip"]


def test_an_installation_without_notebooks_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "__file__", str(tmp_path / "notebooks.py"))
    monkeypatch.setattr(notebooks.medgraft, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    with pytest.raises(RunError, match="has no notebooks"):
        notebook_files()


def test_a_built_package_carries_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "__file__", str(tmp_path / "notebooks.py"))
    (tmp_path / "material").mkdir()
    (tmp_path / "material" / "01_a.py").write_text("")
    assert [path.name for path in notebook_files()] == ["01_a.py"]
