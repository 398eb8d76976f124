"""What a learner has done, as a table."""

from __future__ import annotations

from medgraft.errors import counted
from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.quiz_file import QUIZZES
from medgraft.workshop.record import Progress, Work, read_progress


def progress() -> None:
    """Print what you have done so far: exercises in the order of the notebooks, and quizzes."""
    print(table(read_progress()))


def table(done: Progress) -> str:
    """The same as text, a line an exercise and a line a quiz; what is in the file and no longer exists is left out."""
    wide = max(len(name) for name in (*EXERCISES, *QUIZZES))
    passed = sum(done.of(name).passed is not None for name in EXERCISES)
    taken = sum(name in done.quizzes for name in QUIZZES)
    lines = [f"Exercises: {passed} of {len(EXERCISES)} passed"]
    for name in EXERCISES:
        work = done.of(name)
        lines.append(f"  {'✓' if work.passed is not None else '·'} {name:<{wide}}  {_work(work)}")
    lines += ["", f"Quizzes: {taken} of {len(QUIZZES)} taken"]
    for name in QUIZZES:
        share = done.quizzes.get(name)
        said = "not taken" if share is None else f"best {share:.0%}"
        lines.append(f"  {'·' if share is None else '✓'} {name:<{wide}}  {said}")
    return "\n".join(lines)


def _work(work: Work) -> str:
    if work.passed is None:
        said = f"not yet, {counted(work.tries, 'try', 'tries')}" if work.tries else "not begun"
    else:
        said = f"passed at try {work.tries + 1}"
    return f"{said}, solution read" if work.solution else said
