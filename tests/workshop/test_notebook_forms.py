"""Notebooks as text and as JSON, and what is made of them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from medgraft.errors import DataError, RunError
from medgraft.workshop import notebooks
from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.notebook import Cell, Notebook, read_notebook
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
#   kernelspec: {display_name: Python 3, name: python3}
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


WORKSHOP = Path(__file__).parents[2] / "workshop"
TEXTS = sorted(WORKSHOP.glob("[0-9][0-9]_*.py"))


@pytest.fixture
def example(tmp_path):
    return of_text(tmp_path, TEXT)


def of_text(folder, text):
    (folder / "text.py").write_text(text, encoding="utf-8")
    return read_notebook(folder / "text.py")


def test_text_becomes_cells(example):
    words, imports, dice, checked, empty, last = example.cells
    assert (words.kind, words.source) == ("markdown", "# Dice\n\nWrite `DiceLoss`.")
    assert imports == Cell("code", "import torch")
    assert dice.tags == ("exercise",)
    assert dice.exercise == "dice-loss"
    assert dice.metadata["nbgrader"] == {"grade": False, "grade_id": "mine", "a": [1, {"b": "="}]}
    assert dice.source.startswith("class DiceLoss:") and dice.source.endswith("raise NotImplementedError")
    assert (checked.source, checked.tags) == ('check("dice-loss", DiceLoss)', ("check",))
    assert (empty.source, empty.exercise) == ("", "up")
    assert example.exercises == ("dice-loss", "up")
    assert last.tags == ("check",)


def test_text_without_cells_is_one(tmp_path):
    (cell,) = of_text(tmp_path, "import torch\nx = 1\n").cells
    assert cell == Cell("code", "import torch\nx = 1")
    assert of_text(tmp_path, "").cells == ()


def test_both_forms_hold_the_same_cells(tmp_path, example):
    (tmp_path / "a.ipynb").write_text(example.to_ipynb(), encoding="utf-8")
    assert read_notebook(tmp_path / "a.ipynb") == example
    plain = json.loads(example.to_ipynb())
    assert (plain["nbformat"], plain["metadata"]["kernelspec"]["name"]) == (4, "python3")
    assert plain["cells"][1]["outputs"] == [] and "outputs" not in plain["cells"][0]
    assert len({cell["id"] for cell in plain["cells"]}) == 6


@pytest.mark.parametrize(
    "cells", ["", "[]", '[{"source": 3, "cell_type": "code", "metadata": {}}]', "[3]", '[{"cell_type": "video"}]', "3"]
)
def test_what_is_no_notebook_is_said(tmp_path, cells):
    (tmp_path / "a.ipynb").write_text(f'{{"nbformat": 4, "cells": {cells}}}' if cells != "[]" else "[]")
    with pytest.raises(DataError, match=r"a\.ipynb cannot be read as a notebook"):
        read_notebook(tmp_path / "a.ipynb")


def test_a_notebook_of_an_old_format_is_read(tmp_path):
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "language": "python", "input": "x = 1", "outputs": [], "metadata": {}}]}]}  # fmt: skip
    (tmp_path / "a.ipynb").write_text(json.dumps(old))
    assert [cell.source for cell in read_notebook(tmp_path / "a.ipynb").cells] == ["x = 1"]


def test_parts_of_a_cell_that_do_not_matter_may_lack(tmp_path):
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}, {"cell_type": "markdown", "source": "Words"}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    assert read_notebook(tmp_path / "a.ipynb").cells == (Cell("code", "x = 1\ny = 2"), Cell("markdown", "Words"))


def test_nbgrader_finds_solutions_and_locked_checks(example):
    told = [cell.metadata.get("nbgrader") for cell in with_nbgrader(example).cells]
    assert told[:2] == [None, None]
    assert told[2]["grade_id"] == "mine"  # what a cell says of itself is kept
    whole = {"grade": False, "schema_version": 3, "task": False}
    assert told[3] == {**whole, "grade_id": "check-dice-loss", "locked": True, "solution": False}
    assert told[4] == {**whole, "grade_id": "up", "locked": False, "solution": True}
    assert told[5]["grade_id"] == "check-up"


def test_the_solved_form_has_solutions_in_the_cells_of_exercises_alone(example):
    cells = solved(example).cells
    assert cells[2].source == solution_cell("dice-loss")
    assert cells[2].metadata["exercise"] == "dice-loss"
    assert [cells[k] for k in (0, 1, 3, 5)] == [example.cells[k] for k in (0, 1, 3, 5)]


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


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_the_notebook_of_a_learner_is_made_from_its_text(path):
    made = path.with_suffix(".ipynb")
    assert made.read_text(encoding="utf-8") == learner_notebook(path).to_ipynb(), "make notebooks"
    cells = read_notebook(made).cells
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell.metadata]
    assert sorted(ids) == sorted(
        name for exercise in read_notebook(path).exercises for name in (exercise, f"check-{exercise}")
    )


def test_there_is_a_notebook_for_each_text():
    assert [path.stem for path in notebook_files()] == [path.stem for path in TEXTS]
    assert len(TEXTS) == 8


def test_slides_begin_with_a_heading_and_leave_checks_out():
    cells = (Cell("markdown", "# One"), Cell("markdown", "More."), Cell("code", "1"),
             Cell("code", "check()", {"tags": ["check"]}),
             Cell("markdown", "# Own", {"slideshow": {"slide_type": "notes"}}))  # fmt: skip
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in with_slides(Notebook(cells)).cells]
    assert kinds == ["slide", "subslide", "-", "skip", "notes"]


def test_an_installation_without_notebooks_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "_ROOTS", (tmp_path,))
    with pytest.raises(RunError, match="has no notebooks"):
        notebook_files()
