"""Notebooks 1, 3, 5 and 7, solved and as a learner gets them; the others are in ``test_even_notebooks``."""

import pytest
from playing import plays_through


@pytest.mark.parametrize("number", range(1, 8, 2))
def test_it_runs_solved_and_fails_just_the_exercises_unsolved(number, tmp_path, monkeypatch):
    plays_through(number, tmp_path, monkeypatch)
