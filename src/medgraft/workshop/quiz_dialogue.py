"""A quiz in a terminal: questions are printed, answers are typed."""

from __future__ import annotations

import re
import textwrap

from medgraft.errors import counted
from medgraft.workshop.question import Question, Quiz

_LETTERS = "abcde"
_WIDTH = 100


def ask_all(quiz: Quiz) -> int | None:
    """Ask every question and explain; how many were answered rightly, or None where the learner stopped before the end.

    The end of the input, Ctrl-C and the answer ``q`` stop it.
    """
    right = 0
    print(f"{quiz.title}: {counted(len(quiz.questions), 'question')}")
    for number, question in enumerate(quiz.questions, 1):
        print(f"\n{_wrapped(f'{number}. ', question.asked)}")
        for letter, choice in zip(_LETTERS, question.choices, strict=False):
            print(_wrapped(f"   {letter}) ", choice.text))
        chosen = _answer(question)
        if chosen is None:
            print(f"\nStopped after {number - 1} of {len(quiz.questions)} questions; nothing is kept of this time.")
            return None
        right += question.mark(chosen)
        print(_explained(question, chosen))
    return right


def _answer(question: Question) -> set[int] | None:
    """What the learner chooses; asked again until it is an answer, None to stop."""
    letters = _LETTERS[: len(question.choices)]
    wanted = "letters" if question.several else "a letter"
    example = f", such as {letters[0]}{letters[-1]}" if question.several else ""
    while True:
        try:
            typed = input(f"Your answer ({wanted} from {letters[0]} to {letters[-1]}{example}; q stops): ")
        except (EOFError, KeyboardInterrupt):
            return None
        found = re.sub(r"[\s,;.)]+", "", typed).lower()
        if found == "q":
            return None
        if found and set(found) <= set(letters) and (question.several or len(set(found)) == 1):
            return {letters.index(letter) for letter in found}
        print(f"{typed.strip()[:40]!r} is no answer here. Type {wanted} from {letters[0]} to {letters[-1]}{example}.")


def _explained(question: Question, chosen: set[int]) -> str:
    """Whether it is right, then every choice with its reason; those that were chosen have an arrow."""
    answer = " and ".join(_LETTERS[place] for place in sorted(question.right))
    head = "Right." if question.mark(chosen) else f"Not quite: {answer} {'are' if question.several else 'is'} right."
    lines = [f"\n{head}"]
    for place, choice in enumerate(question.choices):
        arrow, sign = "→" if place in chosen else " ", "✓" if choice.right else "✗"
        lines.append(_wrapped(f" {arrow} {_LETTERS[place]} {sign} ", choice.explained))
    return "\n".join(lines)


def _wrapped(begin: str, text: str) -> str:
    lines = textwrap.TextWrapper(
        _WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,  # names of quizzes and pages have some
    )
    return lines.fill(text)
