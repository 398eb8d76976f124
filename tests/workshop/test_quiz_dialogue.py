"""A quiz in a terminal, from outside: what is typed, what is said, and what is kept."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from medgraft.errors import RunError
from medgraft.workshop import progress, quiz
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.overview import table
from medgraft.workshop.quiz_file import QUIZZES, quiz_of
from medgraft.workshop.record import NAME, Progress, Work, read_progress, write_progress

QUIZ = "when-it-helps"  # five questions; the last has two right choices


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_WORKSHOP", str(tmp_path))
    return tmp_path


@pytest.fixture
def typed(monkeypatch):
    """Answers the prompts in order; an exception is raised in the place of an answer. Returns what was asked."""

    def answer(*lines):
        rest, asked = list(lines), []

        def stand_in(prompt=""):
            asked.append(prompt)
            line = rest.pop(0)
            if isinstance(line, type):
                raise line
            return line

        monkeypatch.setattr("builtins.input", stand_in)
        return asked

    return answer


def _letters(seed, right=True):
    """What to type for every question of the quiz in that order."""
    lines = []
    for question in quiz_of(QUIZ).shuffled(seed).questions:
        chosen = question.right if right else frozenset(range(len(question.choices))) - question.right
        lines.append("".join("abcde"[k] for k in sorted(chosen)[: None if right or question.several else 1]))
    return lines


def test_all_right(typed, capsys, at_home):
    asked = typed(*_letters(1))
    score = quiz(QUIZ, seed=1)
    assert (score.right, score.of, score.best) == (5, 5, 1.0)
    assert len(asked) == 5
    assert asked[0] == "Your answer (a letter from a to d; q stops): "
    assert asked[4] == "Your answer (letters from a to d, such as ad; q stops): "
    said = capsys.readouterr().out
    assert said.startswith("When transfer helps: 5 questions\n")
    assert said.count("\nRight.") == 5
    assert "5 of 5 right. Best so far: 100%." in said
    assert max(map(len, said.splitlines())) <= 100
    assert json.loads((at_home / NAME).read_text())["quizzes"] == {QUIZ: 1.0}


def test_wrong_answers_are_explained_like_right_ones(typed, capsys):
    typed(*_letters(2, right=False))
    assert quiz(QUIZ, seed=2).right == 0
    said = " ".join(capsys.readouterr().out.split())
    first = quiz_of(QUIZ).shuffled(2).questions[0]
    assert f"Not quite: {'abcd'[min(first.right)]} is right." in said
    assert " are right." in said  # of the last question, which has two
    for question in quiz_of(QUIZ).questions:
        for choice in question.choices:
            assert " ".join(choice.explained.split()) in said
    assert "(arXiv:2203.01825)" in said
    assert "→ " in said


def test_what_is_no_answer_is_asked_again(typed, capsys):
    lines = _letters(3)
    asked = typed("", "e", "7", "ab", "yes, the first", f"  {lines[0].upper()})  ", *lines[1:])
    assert quiz(QUIZ, seed=3).right == 5
    assert len(asked) == 10
    said = capsys.readouterr().out
    assert "'e' is no answer here. Type a letter from a to d." in said
    assert said.count("is no answer here") == 5


def test_several_letters_may_be_parted(typed):
    lines = _letters(4)
    typed(*lines[:4], ", ".join(reversed(lines[4])))
    assert quiz(QUIZ, seed=4).right == 5


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt, "q", " Q "])
def test_stopping_is_no_error_and_keeps_nothing(typed, capsys, at_home, end):
    typed(*_letters(5)[:2], end)
    assert quiz(QUIZ, seed=5) is None
    assert "Stopped after 2 of 5 questions; nothing is kept of this time." in capsys.readouterr().out
    assert not (at_home / NAME).exists()


def test_the_best_of_several_times_is_kept(typed, capsys):
    write_progress(Progress({"dice-loss": Work(tries=2)}))
    typed(*_letters(6)[:3], *_letters(6, right=False)[3:])
    assert quiz(QUIZ, seed=6).best == 0.6
    typed(*_letters(7, right=False))
    assert quiz(QUIZ, seed=7).best == 0.6
    assert "0 of 5 right. Best so far: 60%." in capsys.readouterr().out
    assert read_progress() == Progress({"dice-loss": Work(tries=2)}, {QUIZ: 0.6})


def test_a_file_of_progress_that_cannot_be_read_is_said_before_the_first_question(typed, at_home):
    (at_home / NAME).write_text("{")
    asked = typed()
    with pytest.raises(RunError, match="cannot be read"):
        quiz(QUIZ)
    assert asked == []


def test_a_kernel_without_ipywidgets_prompts(typed, monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}}, kernel=SimpleNamespace(_allow_stdin=True))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "ipywidgets" else found(name, *a))
    typed(*_letters(8))
    assert quiz(QUIZ, seed=8).right == 5


def test_a_shell_that_is_no_kernel_prompts(typed, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(config={})))
    typed(*_letters(9))
    assert quiz(QUIZ, seed=9).right == 5


def test_progress_lists_exercises_in_order_and_quizzes(capsys):
    first = EXERCISES[0]
    write_progress(Progress({first: Work(tries=2, passed=1.8e9), "gone": Work(tries=9)}, {QUIZZES[1]: 0.8}))
    progress()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Exercises: 1 of {len(EXERCISES)} passed"
    assert [line.split()[1] for line in lines[1 : 1 + len(EXERCISES)]] == list(EXERCISES)
    assert lines[1].split() == ["✓", first, "passed", "at", "try", "3"]
    assert f"Quizzes: 1 of {len(QUIZZES)} taken" in lines
    assert [line.split()[1] for line in lines[-len(QUIZZES) :]] == list(QUIZZES)
    assert lines[-len(QUIZZES) + 1].split() == ["✓", QUIZZES[1], "best", "80%"]
    assert lines[-1].split() == ["·", QUIZZES[-1], "not", "taken"]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (Work(), "not begun"),
        (Work(tries=1), "not yet, 1 try"),
        (Work(tries=4, solution=True), "not yet, 4 tries, solution read"),
        (Work(passed=1.0), "passed at try 1"),
        (Work(tries=3, passed=1.0, solution=True), "passed at try 4, solution read"),
    ],
)
def test_what_is_said_of_an_exercise(work, said):
    line = table(Progress({EXERCISES[0]: work})).splitlines()[1]
    assert line.split(EXERCISES[0])[1].strip() == said
