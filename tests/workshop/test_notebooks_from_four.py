"""The second half of the notebooks, solved and as a learner gets them."""

import pytest
from playing import plays_through


@pytest.mark.parametrize("number", range(4, 8))
def test_it_runs_solved_and_fails_just_the_exercises_unsolved(number, tmp_path, monkeypatch):
    plays_through(number, tmp_path, monkeypatch)
