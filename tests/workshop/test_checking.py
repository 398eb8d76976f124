"""What a learner sees of a check, the hints, the solution and the file of progress."""

import json
from dataclasses import replace

import numpy as np
import pytest
from in_process import try_in_process
from tries.dice_loss import RIGHT, WRONG

import medgraft.workshop.checking as checking
from medgraft.errors import RecipeError, RunError
from medgraft.workshop import check, hint, solution
from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import judge
from medgraft.workshop.overseer import Outcome
from medgraft.workshop.record import NAME, Progress, Work, read_progress, write_progress


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """A folder of the learner's own; objects are tried in this process, which takes no seconds."""
    monkeypatch.setenv("MEDGRAFT_WORKSHOP", str(tmp_path))
    monkeypatch.setattr(checking, "verdict_of", lambda exercise, learner: try_in_process(exercise.id, learner))
    return tmp_path


def test_a_right_object_is_all_right(capsys, at_home):
    assert check("dice-loss", RIGHT[0])
    said = capsys.readouterr().out
    assert said.startswith("Dice loss: all right\n")
    assert said.count("✓") == len(exercise_of("dice-loss").probes)
    assert "✗" not in said
    assert "hint" not in said
    kept = json.loads((at_home / NAME).read_text())["exercises"]["dice-loss"]
    assert kept["passed"] > 1.7e9
    assert kept["tries"] == 0


def test_a_wrong_object_is_told_what_it_gave_and_the_hint_that_fits(capsys):
    assert not check("dice-loss", WRONG["reversed"])
    said = capsys.readouterr().out
    assert said.startswith("Dice loss: not yet\n")
    for word in ("given     logits (3, 1, 8, 10)", "got       0.", "expected  0.", "must be 1 - Dice", "2 more tries"):
        assert word in said


def test_general_hints_go_on_from_one_to_the_next_and_stay_at_the_last(capsys):
    def nonsense(logits, target):
        return logits.sigmoid().mean() * 7.0

    said = []
    for _ in range(4):
        check("dice-loss", nonsense)
        said.append(capsys.readouterr().out.split("hint      ")[1].splitlines()[0])
    assert said[0].startswith("Dice is twice the overlap")
    assert said[1].startswith("Probabilities come from logits")
    assert said[2] == said[3]
    assert said[2].startswith("With p and t flattened")
    hint("dice-loss")
    assert capsys.readouterr().out.strip() == said[2]


def test_code_that_raises_is_told_where_and_uses_no_hint_up(capsys):
    def broken(logits, target):
        return logits.nothing

    check("dice-loss", broken)
    said = capsys.readouterr().out
    assert "AttributeError: 'Tensor' object has no attribute 'nothing' (line" in said
    assert "of broken)" in said
    assert "It has to run first" in said
    assert read_progress().of("dice-loss").hints == 0


def test_an_answer_of_another_form_is_a_fault_and_no_crash(capsys):
    check("dice-loss", lambda logits, target: {"loss": 1.0})
    assert "not yet" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [{"loss": float("nan")}, {"loss": [np.array([1, np.nan])]}])
def test_nan_is_no_right_answer_whatever_a_judge_makes_of_it(answer):
    """It compares with nothing, so what is asked to be smaller than something has to be asked for it as well."""
    exercise = exercise_of("dice-loss")
    lenient = replace(exercise, probes=tuple(replace(probe, judge=lambda *_: None) for probe in exercise.probes))
    assert all(seen.fault is None for seen in judge(lenient, Answers({"loss": 1.0}), 0))
    assert all(seen.fault.got == "NaN among the numbers" for seen in judge(lenient, Answers(answer), 0))


def test_what_is_shown_of_an_answer_can_be_printed():
    """Half a surrogate pair, and a word of a million letters."""
    for seen in judge(exercise_of("dice-loss"), Answers(went_wrong="\udc80" + "x" * 10**6), 0):
        assert len(seen.fault.got.encode()) < 600


class Answers:
    def __init__(self, answer=None, went_wrong=None):
        self.outcome = Outcome(answer, went_wrong)

    def ask(self, *_):
        return self.outcome


def test_the_solution_is_shown_after_three_tries(capsys):
    for left in ("3 more tries", "2 more tries", "1 more try"):
        with pytest.raises(RecipeError, match=left):
            solution("dice-loss")
        check("dice-loss", WRONG["pooled"])
    capsys.readouterr()
    solution("dice-loss")
    assert "class DiceLoss" in capsys.readouterr().out
    check("dice-loss", RIGHT[0])
    assert read_progress().of("dice-loss").solution


def test_a_check_after_passing_takes_nothing_away():
    check("dice-loss", RIGHT[0])
    before = read_progress()
    check("dice-loss", WRONG["pooled"])
    assert read_progress() == before


def test_unknown_exercises_are_named():
    with pytest.raises(RecipeError, match=r"no exercise 'dice'; there are .*Did you mean dice-loss"):
        check("dice", RIGHT[0])


def test_progress_that_is_not_ours_is_not_written_over(at_home):
    (at_home / NAME).write_text("my notes")
    with pytest.raises(RunError, match="cannot be read as the progress"):
        check("dice-loss", RIGHT[0])
    assert (at_home / NAME).read_text() == "my notes"
    (at_home / NAME).write_text('{"format": 99, "exercises": {}, "quizzes": {}}')
    with pytest.raises(RunError, match="newer version"):
        read_progress()


def test_progress_survives(at_home):
    kept = Progress({"dice-loss": Work(tries=2, hints=1)}, {"when": 0.5}).with_quiz("when", 0.25).with_quiz("then", 1.0)
    write_progress(kept)
    assert read_progress() == kept
    assert kept.quizzes == {"when": 0.5, "then": 1.0}
