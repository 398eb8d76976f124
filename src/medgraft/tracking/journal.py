"""One tracker, and what it was told: it never gets an epoch twice, and never stops a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medgraft.tracking.figures import figures_of, without_password
from medgraft.tracking.tracker import Papers, Place, Tracker, Value

Line = Mapping[str, Any]
"""A line of a run's history."""


class Journal:
    """Tells a tracker of one run's epochs and scores.

    A tracker that raises anything is left alone from then on, after one warning. When the run is finished all that it
    lacks is sent once more, in silence: a server that was away for a while has the whole run at the end.

    Parameters
    ----------
    label : what the tracker is called in sentences.
    name, config : of the run, for :meth:`Tracker.begin`.
    before : where the run was tracked before it broke off; None for a new one.
    remember : called with the place of the run whenever it changes, so that a resumed run finds it.
    say : told where the run is tracked, and that it is not.
    """

    def __init__(
        self,
        label: str,
        tracker: Tracker,
        name: str,
        config: Mapping[str, Value],
        before: Place | None,
        remember: Callable[[Place], None],
        say: Callable[[str], None],
    ) -> None:
        self.label, self.tracker = label, tracker
        self.name, self.config = name, config
        self.place = before
        self.remember, self.say = remember, say
        self.open = False
        self.warned = False
        self.ending = False

    def begin(self, lines: Sequence[Line] = ()) -> None:
        """Open the run, and send what the tracker lacks of the ``lines`` that a run to resume has already."""

        def start() -> None:
            self._begin()
            self._send(lines)

        if self._bear(start):
            self.say(f"tracked in {self.label}: {self.tracker.where}")

    def epoch(self, line: Line) -> None:
        """Tell of an epoch, unless the tracker has it."""
        if self.open:
            self._bear(lambda: self._send([line]))

    def end(self, lines: Sequence[Line], scores: Mapping[str, Any], papers: Papers) -> None:
        """The run is finished: send the epochs that the tracker lacks, the scores and the files.

        Parameters
        ----------
        lines : the whole history.
        scores : as in scores.json.
        """
        self.ending = True

        def finish() -> None:
            if not self.open:
                self._begin()
            self._send(lines)
            last = max((int(line["epoch"]) for line in lines), default=0)
            self.tracker.end(last, figures_of({"scores": _without_levels(scores)}), papers)

        self._bear(finish)
        self.open = False

    def stop(self) -> None:
        """The training broke off."""
        if self.open:
            self._bear(self.tracker.stop)
        self.open = False

    def _begin(self) -> None:
        self.place = self.tracker.begin(self.name, self.config, self.place)
        self.remember(self.place)
        self.open = True

    def _send(self, lines: Sequence[Line]) -> None:
        assert self.place is not None
        for line in lines:
            number = int(line["epoch"])
            if number <= self.place.epochs:
                continue
            figures = figures_of({key: value for key, value in line.items() if key != "epoch"})
            self.tracker.epoch(number, figures)
            self.place = Place(self.place.id, number)
            self.remember(self.place)

    def _bear(self, call: Callable[[], None]) -> bool:
        """Call and return whether all went well; an error becomes the one warning."""
        try:
            call()
        except Exception as error:  # whatever a tool may raise, a training has nothing to do with it
            self.open = False
            if not self.warned:
                self.warned = True
                reason = without_password(" ".join(str(error).split()))[:200] or type(error).__name__
                again = "" if self.ending else f"; {self.label} is tried once more at the end"
                self.say(
                    f"warning: {self.label} fails ({reason}). The run goes on without it, whole in its folder{again}."
                )
            return False
        return True


def _without_levels(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Value, ends of the interval and n of each score; the confidence level is that of all."""
    kept = ("value", "low", "high", "n")
    return {
        split: {metric: {key: score.get(key) for key in kept} for metric, score in metrics.items()}
        for split, metrics in scores.items()
    }
