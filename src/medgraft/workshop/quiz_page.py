"""A quiz as an HTML form that needs nothing from outside: in an exported notebook, or as a file of its own."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from medgraft.files import write_text
from medgraft.workshop.question import Quiz

_TEMPLATES = Path(__file__).parent / "templates"


def quiz_form(quiz: Quiz) -> str:
    """The form as a part of a page; several may stand on one page.

    A script marks the answers. Where scripts are off, the answers to each question can be opened instead.
    """
    return _filled("quiz.html", quiz)


def write_quiz_page(quiz: Quiz, path: str | Path) -> Path:
    """Write the form as a page that opens from disk; returns the path."""
    path = Path(path)
    write_text(path, _filled("quiz_page.html", quiz))
    return path


def marked_up(text: str) -> str:
    """The text as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def show_page(quiz: Quiz) -> None:
    """Show the form as the output of a notebook's cell."""
    from IPython.display import publish_display_data

    publish_display_data({"text/html": quiz_form(quiz), "text/plain": in_words(quiz)})


def in_words(quiz: Quiz) -> str:
    """The questions and their choices without the answers, for a page that shows text alone."""
    lines = [quiz.title]
    for number, question in enumerate(quiz.questions, 1):
        lines += ["", f"{number}. {question.asked}", *(f"   - {choice.text}" for choice in question.choices)]
    return "\n".join(lines)


def _filled(template: str, quiz: Quiz) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment: Any = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["marked_up"] = lambda text: Markup(marked_up(text))
    page: str = environment.get_template(template).render(quiz=quiz)
    return page
