"""quiz: what a learner calls, in a terminal or in a notebook."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from medgraft.workshop.question import Quiz, Score
from medgraft.workshop.quiz_file import quiz_of
from medgraft.workshop.record import read_progress, write_progress


def quiz(name: str, seed: int | None = None) -> Score | None:
    """Ask the questions of a quiz, explain each answer, and keep the best share of right ones in your progress.

    In Jupyter it is shown as buttons, where ipywidgets is installed, and as a form where nobody can answer (a notebook
    that is run from top to bottom to be exported). Anywhere else questions are printed and answers typed.

    Parameters
    ----------
    name : the quiz, such as ``when-it-helps``.
    seed : of the order of the choices; another one each time unless it is given.

    Returns
    -------
    Score or None
        None where the learner stopped before the end, and in Jupyter, where answers come later.

    Raises
    ------
    RecipeError
        Where there is no such quiz.
    RunError
        Where the file of your progress cannot be read; nothing is asked then.
    """
    asked = quiz_of(name).shuffled(seed)
    kernel = _kernel()
    if kernel is not None and not getattr(kernel, "_allow_stdin", True):
        from medgraft.workshop.quiz_page import show_page

        show_page(asked)
        return None
    read_progress()
    if kernel is not None and importlib.util.find_spec("ipywidgets") is not None:
        from medgraft.workshop.quiz_widget import show_widget

        show_widget(asked, keep)
        return None
    return _in_terminal(asked)


def keep(asked: Quiz, right: int) -> Score:
    """Keep the result of a quiz that was answered whole."""
    done = read_progress().with_quiz(asked.id, right / len(asked.questions))
    write_progress(done)
    return Score(asked.id, right, len(asked.questions), done.quizzes[asked.id])


def _in_terminal(asked: Quiz) -> Score | None:
    from medgraft.workshop.quiz_dialogue import ask_all

    right = ask_all(asked)
    if right is None:
        return None
    score = keep(asked, right)
    print(f"\n{score.text()}")
    return score


def _kernel() -> Any:
    """Jupyter's kernel that runs this, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell.kernel if shell is not None and "IPKernelApp" in shell.config else None
