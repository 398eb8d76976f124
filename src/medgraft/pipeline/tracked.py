"""A run that is tracked: an observer that tells trackers of each epoch, and of the scores when all is done."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from medgraft.progress import Observer
from medgraft.report import report_to_hand_on
from medgraft.run import Run
from medgraft.tracking import Journal, Place, config_of, open_tracker

ENTRY = "tracking"
"""In environment.json: by tracker, where it keeps the run."""


def tracked(run: Run, observer: Observer) -> Observer:
    """The observer itself where the recipe asks for no tracker; else one that also tells those of the run.

    Trackers are begun here, before training, and go on with the run that they had where this one is resumed.
    """
    if not run.recipe.track:
        return observer
    return Tracked(run, observer)


class Tracked(Observer):
    """Passes on all that it hears, and tells each tracker of epochs; when the work is over, of the scores."""

    def __init__(self, run: Run, observer: Observer) -> None:
        self.run, self.observer = run, observer
        self.places: dict[str, Any] = dict(run.environment.get(ENTRY, {}))
        self.settled = False
        self.journals = [self._journal(name) for name in run.recipe.track]
        for journal in self.journals:
            journal.begin(self._lines())

    def say(self, line: str) -> None:
        """Pass on."""
        self.observer.say(line)

    def working(self, what: str, done: int, total: int) -> None:
        """Pass on."""
        self.observer.working(what, done, total)

    def received(self, what: str, done: int, total: int | None) -> None:
        """Pass on."""
        self.observer.received(what, done, total)

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        """Pass on."""
        self.observer.step(epoch, epochs, step, steps, loss)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Pass on, and tell each tracker."""
        self.observer.epoch(record)
        for journal in self.journals:
            journal.epoch(record)

    def close(self) -> None:
        """Pass on; once, tell each tracker that the run is finished, or that it broke off."""
        self.observer.close()
        if self.settled:
            return
        self.settled = True
        if self.run.finished:
            self._end()
        else:
            for journal in self.journals:
                journal.stop()

    def _journal(self, name: str) -> Journal:
        known = self.places.get(name)
        return Journal(
            name,
            open_tracker(name, self.run.folder),
            _name(self.run),
            config_of(self.run.recipe.options()),
            Place(**known) if known else None,
            functools.partial(self._remember, name),
            self.say,
        )

    def _remember(self, name: str, place: Place) -> None:
        self.places[name] = {"id": place.id, "epochs": place.epochs}
        self.run.update_environment(**{ENTRY: self.places})

    def _lines(self) -> list[dict[str, Any]]:
        """The history so far; of a cross-validation none, as each of its folds is tracked by itself."""
        return [line for line in self.run.history if "fold" not in line]

    def _end(self) -> None:
        lines = self._lines()
        scores = json.loads((self.run.folder / "scores.json").read_text(encoding="utf-8"))
        with ExitStack() as kept:

            @functools.cache
            def papers() -> Sequence[Path]:
                place = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="medgraft-")))
                return report_to_hand_on(self.run.folder, place / self.run.name)

            for journal in self.journals:
                journal.end(lines, scores, papers)


def _name(run: Run) -> str:
    """The folder's name; of a fold, that of the cross-validation before it."""
    above = run.folder.resolve().parent
    return f"{above.name}/{run.name}" if (above / "recipe.yaml").is_file() else run.name
