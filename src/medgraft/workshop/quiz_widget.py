"""A quiz in Jupyter: buttons to choose by, marked in Python, so that the result can be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medgraft.errors import MedgraftError
from medgraft.workshop.question import Question, Quiz, Score
from medgraft.workshop.quiz_page import in_words, marked_up, quiz_form

Keep = Callable[[Quiz, int], Score]
"""Keeps how many questions of a quiz were answered rightly."""

_STYLE = """<style>
.medgraft-quiz-choices label { white-space: normal; height: auto; line-height: 1.5; }
.medgraft-quiz-choices .widget-radio-box label { display: flex; flex-direction: row-reverse; justify-content: flex-end;
  align-items: baseline; }
.medgraft-quiz-choices input { flex: none; float: none; }
.medgraft-quiz-choices { width: auto; height: auto; max-width: 46rem; }
.medgraft-quiz-text { max-width: 46rem; }
.medgraft-quiz-text .widget-html-content { line-height: 1.5; }
</style>"""


def show_widget(quiz: Quiz, keep: Keep) -> None:
    """Show it below the cell; where the notebook is exported without widgets, the form stands there instead."""
    from IPython.display import publish_display_data

    bundle: dict[str, Any] = QuizWidget(quiz, keep).box._repr_mimebundle_() or {}
    publish_display_data(bundle | {"text/html": quiz_form(quiz), "text/plain": in_words(quiz)})


class QuestionWidget:
    """One question: its choices, a button that marks them, and what is said then.

    Parameters
    ----------
    answered : called with whether the answer is right, once until the question is asked again.
    """

    def __init__(self, number: int, question: Question, answered: Callable[[bool], None]) -> None:
        import ipywidgets

        self._answered = answered
        self.choices: list[Any]
        if question.several:
            self.choices = [ipywidgets.Checkbox(indent=False) for _ in question.choices]
        else:
            self.choices = [ipywidgets.RadioButtons()]
        for choice in self.choices:
            choice.add_class("medgraft-quiz-choices")
            choice.layout.width = "auto"
        self.button = ipywidgets.Button(tooltip=f"Check the answer to question {number}")
        self.button.on_click(lambda _: self.check())
        self.said = _text("")
        head = _text(f"<b>{number}. {marked_up(question.asked)}</b>")
        self.box = ipywidgets.VBox([head, *self.choices, self.button, self.said])
        self.ask(question)

    def ask(self, question: Question) -> None:
        """Ask it, or ask it again with its choices in another order; nothing is chosen then."""
        self.question, self._open = question, True
        texts = [choice.text.replace("`", "") for choice in question.choices]
        if question.several:
            for box, text in zip(self.choices, texts, strict=True):
                box.description, box.value = text, False
        else:
            self.choices[0].options = texts
            self.choices[0].index = None
        for choice in self.choices:
            choice.disabled = False
        self.button.description, self.said.value = "Check", ""

    @property
    def chosen(self) -> set[int]:
        """The places of what is chosen."""
        if self.question.several:
            return {place for place, box in enumerate(self.choices) if box.value}
        return set() if self.choices[0].index is None else {self.choices[0].index}

    def check(self) -> None:
        """Mark the answer and explain; once only, and not before something is chosen."""
        if not self._open:
            return
        if not self.chosen:
            self.said.value = "Choose an answer first."
            return
        self._open = False
        for choice in self.choices:
            choice.disabled = True
        self.button.description = "Checked"  # it stays enabled: a disabled one would lose the keyboard's place
        right = self.question.mark(self.chosen)
        self.said.value = _explained(self.question, self.chosen, right)
        self._answered(right)


class QuizWidget:
    """All questions, then the score and a button to start again; ``box`` is what is shown."""

    def __init__(self, quiz: Quiz, keep: Keep) -> None:
        import ipywidgets

        self._quiz, self._keep = quiz, keep
        self._marks: list[bool] = []
        self.questions = [
            QuestionWidget(number, question, self._answered) for number, question in enumerate(quiz.questions, 1)
        ]
        self.score = _text("")
        self.again = ipywidgets.Button(description="Start again")
        self.again.layout.display = "none"
        self.again.on_click(lambda _: self.start_again())
        title = _text(f"{_STYLE}<h3>{marked_up(quiz.title)}</h3>")
        self.box = ipywidgets.VBox([title, *(one.box for one in self.questions), self.score, self.again])

    def start_again(self) -> None:
        """Ask the same questions with their choices in another order; the keyboard's place is at the first then."""
        self._marks = []
        for one, question in zip(self.questions, self._quiz.shuffled().questions, strict=True):
            one.ask(question)
        self.score.value = ""
        self.questions[0].button.focus()
        self.again.layout.display = "none"

    def _answered(self, right: bool) -> None:
        self._marks.append(right)
        count, of = sum(self._marks), len(self.questions)
        if len(self._marks) < of:
            self.score.value = f"{count} of {len(self._marks)} right so far."
            return
        try:
            said = self._keep(self._quiz, count).text()
        except MedgraftError as error:  # a callback's error would go unseen
            said = f"{count} of {of} right. Not kept: {error}"
        self.score.value = f"<b>{marked_up(said)}</b>"
        self.again.layout.display = ""


def _text(content: str) -> Any:
    import ipywidgets

    return ipywidgets.HTML(content).add_class("medgraft-quiz-text")


def _explained(question: Question, chosen: set[int], right: bool) -> str:
    lines = [f"<b>{'✓ Right.' if right else '✗ Not quite.'}</b>"]
    for place, choice in enumerate(question.choices):
        sign = "✓ Right" if choice.right else "✗ Wrong"
        mine = " (your choice)" if place in chosen else ""
        lines.append(f"<b>{sign}{mine}: {marked_up(choice.text)}</b><br>{marked_up(choice.explained)}")
    return "".join(f'<p role="status">{line}</p>' if k == 0 else f"<p>{line}</p>" for k, line in enumerate(lines))
