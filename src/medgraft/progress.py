"""Who is told how long work gets on: nobody, or a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

SCORES = {"dice": "Dice", "auc": "AUC", "balanced_accuracy": "balanced accuracy"}
"""What the scores that a training watches are called."""


class Observer:
    """Is told what was understood, how far the work is and what an epoch gave. This one keeps silent."""

    def say(self, line: str) -> None:
        """A sentence for the user: what was understood, chosen or found."""

    def working(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` pieces of ``what`` are finished."""

    def received(self, what: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes of a file have come; None where nobody says how many there are."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        """A training step is done; all counts from 1."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done; ``record`` is its line of the history."""

    def close(self) -> None:
        """The work is over, or broken off."""


class Terminal(Observer):
    """Sentences to ``results``, a progress bar to standard error that goes when the work is done.

    Where standard error is no terminal there is no bar.
    """

    def __init__(self, results: TextIO | None = None) -> None:
        self.results = results
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[figures]}"))
        console = Console(stderr=True)
        self.bar = Progress(
            *columns, TimeRemainingColumn(compact=True), TextColumn("left"),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self.task: TaskID | None = None
        self.what = ""
        self.figures = ""
        self.best: tuple[float, int] = (-1.0, 0)

    def say(self, line: str) -> None:
        """Print the sentence; the bar moves below it."""
        if self.bar.live.is_started:
            self.bar.stop()
        # The reader of a pipe may have gone (medgraft fit ... | head); a training goes on without one.
        with suppress(BrokenPipeError):
            print(line, file=self.results or sys.stderr, flush=True)

    def working(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``."""
        self._show(what, what, done, total, f"{done}/{total}")

    def received(self, what: str, done: int, total: int | None) -> None:
        """Move the bar of a file, in megabytes."""
        of = "" if total is None else f" of {total / 1e6:.1f}"
        self._show(what, what, done, total, f"{done / 1e6:.1f}{of} MB")

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        """Move the training's bar."""
        if epoch == step == 1:
            self.figures, self.best = "", (-1.0, 0)
        figures = f"loss {loss:.3f}{self.figures}"
        self._show("training", f"epoch {epoch}/{epochs}", (epoch - 1) * steps + step, epochs * steps, figures)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Remember the epoch's score for the bar."""
        score = record["val"].get(record["monitor"])
        figures = ""
        if score is not None:
            self.best = max(self.best, (score, -record["epoch"]))
            name = SCORES.get(record["monitor"], record["monitor"])
            figures = f" · val {name} {score:.3f} (best {self.best[0]:.3f}, epoch {-self.best[1]})"
        self.figures = f"{figures} · {record['seconds']:.1f} s/epoch ·"

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task, self.what = None, ""

    def _show(self, what: str, description: str, done: int, total: int | None, figures: str) -> None:
        if what != self.what:
            self.close()
            self.what = what
            self.task = self.bar.add_task(description, total=total, figures=figures)
        if not self.bar.live.is_started:
            self.bar.start()
        assert self.task is not None
        self.bar.update(self.task, description=description, completed=done, total=total, figures=figures)
        if done == total and what != "training":
            self.close()
