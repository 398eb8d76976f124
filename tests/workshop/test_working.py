"""``working``: the learner's object once it has passed, the workshop's own until then."""

import pytest
from in_process import try_in_process
from tries.dice_loss import RIGHT, WRONG

import medgraft.workshop
import medgraft.workshop.checking as checking
from medgraft.workshop import check, working
from medgraft.workshop.record import Progress, Work, write_progress
from medgraft.workshop.solutions.dice_loss import DiceLoss


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_WORKSHOP", str(tmp_path))
    monkeypatch.setattr(checking, "verdict_of", lambda exercise, learner: try_in_process(exercise.id, learner))
    monkeypatch.setattr(checking, "_LAST", {})


def test_the_name_stays_a_function():
    """A module of the same name would take its place in the package once it was loaded."""
    assert callable(working)
    working("dice-loss", RIGHT[0])
    assert medgraft.workshop.working is working


def test_what_passed_is_the_learners_and_what_failed_is_stood_in_for(capsys):
    check("dice-loss", WRONG["pooled"])
    assert working("dice-loss", WRONG["pooled"]) is DiceLoss
    assert "goes on with the workshop's own DiceLoss" in capsys.readouterr().out
    check("dice-loss", RIGHT[0])
    assert working("dice-loss", RIGHT[0]) is RIGHT[0]
    assert "goes on" not in capsys.readouterr().out


def test_what_was_spoiled_after_it_passed_is_stood_in_for():
    check("dice-loss", RIGHT[0])
    check("dice-loss", WRONG["pooled"])
    assert working("dice-loss", WRONG["pooled"]) is DiceLoss


def test_unchecked_the_file_of_progress_says():
    assert working("dice-loss", RIGHT[0]) is DiceLoss
    write_progress(Progress({"dice-loss": Work(passed=1.8e9)}))
    assert working("dice-loss", RIGHT[0]) is RIGHT[0]
