"""``working``: the learner's object once it has passed, the workshop's own until then."""

import functools

import pytest
import torch
from in_process import try_in_process
from torch import nn
from tries.dice_loss import RIGHT, WRONG

import medgraft.workshop
import medgraft.workshop.checking as checking
from medgraft.workshop import check, working
from medgraft.workshop.own import is_own, solution_object
from medgraft.workshop.record import Progress, Work, read_progress, write_progress
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


class BuiltOnOurs(DiceLoss):
    pass


class Borrowed(nn.Module):
    forward = DiceLoss.forward


@pytest.mark.parametrize(
    "ours", [DiceLoss, DiceLoss(), DiceLoss().forward, functools.partial(DiceLoss, 1.0), BuiltOnOurs, Borrowed()]
)
def test_the_workshops_own_object_is_refused_and_handed_back(ours, capsys, tmp_path):
    """As when the cell of a check is run again, after ``working`` put our object in the place of theirs."""
    assert not check("dice-loss", ours)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Dice loss: not tried"
    assert len(said) == 2
    assert said[1].startswith("  This is the workshop's own DiceLoss, and not yours to be checked. Run the cell with")
    assert not list(tmp_path.iterdir())  # neither a pass nor a try
    assert working("dice-loss", ours) is ours
    assert "goes on with the workshop's own" in capsys.readouterr().out


def test_the_cell_of_a_check_can_be_run_again():
    mine = WRONG["pooled"]
    for _ in range(2):
        check("dice-loss", mine)
        mine = working("dice-loss", mine)
        assert mine is DiceLoss
    assert read_progress().of("dice-loss") == Work(tries=1)
    check("dice-loss", RIGHT[0])
    assert working("dice-loss", RIGHT[0]) is RIGHT[0]


def test_functions_are_told_apart_as_well():
    assert is_own(solution_object("linear-cka"))
    assert is_own(torch.no_grad()(solution_object("linear-cka")))
    assert not is_own(torch.no_grad()(lambda x, y: solution_object("linear-cka")(x, y)))
    for learner in (*RIGHT, *WRONG.values(), nn.Linear, len, None, 3, torch):
        assert not is_own(learner)
