"""The quiz in Jupyter, driven without a browser: widgets are chosen and clicked as their front end would."""

import sys
from types import SimpleNamespace

import ipywidgets
import pytest

from medgraft.workshop import quiz
from medgraft.workshop.question import Score
from medgraft.workshop.quiz_file import quiz_of
from medgraft.workshop.quiz_widget import QuizWidget, show_widget
from medgraft.workshop.quizzing import keep
from medgraft.workshop.record import NAME, read_progress

QUIZ = "when-it-helps"


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_WORKSHOP", str(tmp_path))
    return tmp_path


@pytest.fixture
def shown(monkeypatch):
    """What a cell shows, in order."""
    bundles = []
    monkeypatch.setattr("IPython.display.publish_display_data", bundles.append)
    return bundles


def _kernel(monkeypatch, may_ask):
    shell = SimpleNamespace(config={"IPKernelApp": {}}, kernel=SimpleNamespace(_allow_stdin=may_ask))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert "IPython" in sys.modules


def _choose(one, places):
    if one.question.several:
        for place, box in enumerate(one.choices):
            box.value = place in places
    else:
        one.choices[0].index = min(places)


def _wrong(question):
    return {min(set(range(len(question.choices))) - question.right)}


def test_every_question_has_its_kind_of_choices_and_a_button():
    widget = QuizWidget(quiz_of(QUIZ), keep)
    kinds = [type(one.choices[0]) for one in widget.questions]
    assert kinds == [ipywidgets.RadioButtons] * 4 + [ipywidgets.Checkbox]
    for one, question in zip(widget.questions, quiz_of(QUIZ).questions, strict=True):
        assert one.button.description == "Check"
        assert one.box.children[-2:] == (one.button, one.said)
        if not question.several:
            assert one.choices[0].index is None  # nothing is chosen beforehand
            labels = one.choices[0]._options_labels
        else:
            labels = tuple(box.description for box in one.choices)
        assert labels == tuple(choice.text for choice in question.choices)
    assert widget.again.layout.display == "none"


def test_a_check_without_a_choice_asks_for_one_and_marks_nothing():
    widget = QuizWidget(quiz_of(QUIZ), keep)
    one = widget.questions[0]
    one.button.click()
    assert one.said.value == "Choose an answer first."
    assert widget.score.value == ""
    _choose(one, one.question.right)
    one.button.click()
    assert "✓ Right." in one.said.value
    assert widget.score.value == "1 of 1 right so far."


def test_an_answer_counts_once_and_is_explained():
    widget = QuizWidget(quiz_of(QUIZ), keep)
    one = widget.questions[0]
    _choose(one, _wrong(one.question))
    one.button.click()
    first = one.said.value
    assert "✗ Not quite." in first
    assert first.count("your choice") == 1
    assert first.count("✓ Right") == 1
    assert first.count("✗ Wrong") == 3
    for choice in one.question.choices:
        assert "(arXiv:" in choice.explained
        assert choice.why in first
    assert one.choices[0].disabled
    _choose(one, one.question.right)
    one.button.click()
    assert one.said.value == first
    assert widget.score.value == "0 of 1 right so far."
    assert not one.button.disabled  # the keyboard's place stays there


def test_several_right_choices_want_all_of_them():
    widget = QuizWidget(quiz_of(QUIZ), keep)
    one = widget.questions[4]
    _choose(one, {min(one.question.right)})
    one.button.click()
    assert "✗ Not quite." in one.said.value
    one.ask(quiz_of(QUIZ).questions[4])
    assert one.said.value == ""
    assert one.chosen == set()
    _choose(one, one.question.right)
    one.button.click()
    assert "✓ Right." in one.said.value


def test_the_whole_quiz_is_kept_and_can_be_begun_again():
    widget = QuizWidget(quiz_of(QUIZ).shuffled(1), keep)
    for k, one in reversed(list(enumerate(widget.questions))):
        _choose(one, one.question.right if k else _wrong(one.question))
        assert read_progress().quizzes == {}
        one.button.click()
    assert "4 of 5 right. Best so far: 80%." in widget.score.value
    assert read_progress().quizzes == {QUIZ: 0.8}
    assert widget.again.layout.display == ""
    before = [one.question for one in widget.questions]
    focused = []
    widget.questions[0].button.focus = lambda: focused.append(1)
    widget.again.click()
    assert focused == [1]
    assert widget.score.value == ""
    assert [one.question for one in widget.questions] != before
    assert widget.again.layout.display == "none"
    for one in widget.questions:
        assert one.chosen == set()
        assert one.said.value == ""
        assert one.button.description == "Check"
        assert not any(choice.disabled for choice in one.choices)
        _choose(one, one.question.right)
        one.button.click()
    assert read_progress().quizzes == {QUIZ: 1.0}


def test_what_cannot_be_kept_is_said(at_home):
    widget = QuizWidget(quiz_of(QUIZ), keep)
    (at_home / NAME).write_text("{")
    for one in widget.questions:
        _choose(one, one.question.right)
        one.button.click()
    assert "5 of 5 right. Not kept: " in widget.score.value
    assert (at_home / NAME).read_text() == "{"


def test_words_are_escaped_and_code_is_marked():
    asked = quiz_of("extract-or-tune")
    widget = QuizWidget(asked, lambda quiz, right: Score(quiz.id, right, 5, 1.0))
    one = widget.questions[1]
    assert set(one.choices[0]._options_labels) == {"frozen", "partial", "full", "scratch"}
    _choose(one, one.question.right)
    one.button.click()
    assert "<code>frozen</code>" in one.said.value
    assert "`" not in one.said.value


def test_a_cell_shows_the_widget_and_the_form_for_an_export(shown):
    show_widget(quiz_of(QUIZ), keep)
    (bundle,) = shown
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert "<fieldset>" in bundle["text/html"]
    assert bundle["text/plain"].startswith("When transfer helps\n\n1. For which data")
    assert "arXiv" not in bundle["text/plain"]


def test_a_kernel_shows_widgets(shown, monkeypatch):
    _kernel(monkeypatch, may_ask=True)
    assert quiz(QUIZ) is None
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


def test_a_kernel_in_which_nobody_can_answer_shows_the_form(shown, monkeypatch, at_home):
    _kernel(monkeypatch, may_ask=False)
    assert quiz(QUIZ) is None
    assert set(shown[0]) == {"text/html", "text/plain"}
    assert not (at_home / NAME).exists()
