"""An exercise: what a learner builds, and the cases that tell whether it is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Given = Mapping[str, Any]
"""What a case is about, as plain values and arrays (see ``frames``)."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer, in words that a learner can work with.

    Attributes
    ----------
    given, got, expected : what was handed over, what came back, and what a right answer is.
    mistake : the key of the exercise's hint that fits, where the answer shows which mistake was made.
    broke : whether there was no answer to judge: the code raised an error, or was stopped.
    """

    given: str
    got: str
    expected: str
    mistake: str | None = None
    broke: bool = False


@dataclass(frozen=True)
class Probe:
    """A case: the learner's object is asked in a process of its own, its answer is judged in this one.

    Attributes
    ----------
    name : what is looked at, in a few words.
    draw : makes what is given; other values each time.
    ask : runs the learner's object and returns plain values and arrays. It alone meets the learner's code.
    judge : from what was given and what came back, the fault; None where all is right.
    seconds : that the object may take.
    """

    name: str
    draw: Callable[[np.random.Generator], Given]
    ask: Callable[[Any, Given], Any]
    judge: Callable[[Given, Any], Fault | None]
    seconds: float = 20.0


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes
    ----------
    id : as ``check`` takes it.
    notebook : the number of the notebook it is in.
    defines : the name that the exercise's cell gives the object.
    takes : what to hand to ``check``, in a sentence.
    hints : from general to particular.
    mistakes : by the key that a fault names, the hint that fits it.
    """

    id: str
    title: str
    notebook: int
    defines: str
    takes: str
    probes: tuple[Probe, ...]
    hints: tuple[str, ...]
    mistakes: Mapping[str, str] = field(default_factory=dict)
