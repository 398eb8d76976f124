"""What medgraft asks of a tool that keeps runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Value = bool | int | float | str | None
Papers = Callable[[], Sequence[Path]]
"""Gives the files of a finished run that may be handed on; called by the tools that take files."""

PROJECT = "medgraft"
"""The project (experiment) that runs are put in where the tool's own settings name none."""


@dataclass(frozen=True)
class Place:
    """Where a tool keeps a run.

    Attributes
    ----------
    id : what the tool calls the run by.
    epochs : how many epochs it has, the first ones.
    """

    id: str
    epochs: int = 0


class Tracker(Protocol):
    """A tool that keeps one run. Any method may raise anything; :class:`~medgraft.tracking.Journal` bears with it."""

    where: str
    """In words, once begun: a folder or an address."""

    def begin(self, name: str, config: Mapping[str, Value], before: Place | None) -> Place:
        """Open the run, and go on with it where it was tracked ``before``.

        Parameters
        ----------
        name : for people; not unique.
        config : every option of the recipe, as single values.

        Returns
        -------
        Place
            The run's, with the epochs that the tool has of it: none where it does not know the id any more.
        """

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Write down an epoch; ``number`` counts from 1."""

    def end(self, number: int, scores: Mapping[str, float], papers: Papers) -> None:
        """The run is finished: write down its scores and files, and close it. ``number`` is that of the last epoch."""

    def stop(self) -> None:
        """The training broke off and may be resumed: close what is open."""
