"""What is known of a data set when a strategy is chosen for it: counts, and measurements with their intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from medgraft.scores import Interval

Word = Literal["near", "moderate", "far"]


@dataclass(frozen=True)
class Curve:
    """What more labels gave the probe.

    Attributes
    ----------
    half, whole : images (of masks, cells) that it learnt from before and after the last doubling of the patients.
    gain : in AUC, between the two.
    verdict : whether more would help.
    """

    half: int
    whole: int
    gain: Interval
    verdict: Literal["helps", "flat", "unclear"]


@dataclass(frozen=True)
class Machine:
    """What it is to run on: ``device`` as torch names it, cores, memory in GB (of the device where it has its own)."""

    device: str
    cores: int
    memory: float


@dataclass(frozen=True)
class Facts:
    """All that advice rests on.

    Attributes
    ----------
    task : what is to be predicted.
    images, patients : how many there are in all; ``patients`` is None where no group is known.
    blocks : of the encoder, from input to output.
    distance, word : from the images that the encoder was pretrained on, and how far that is; None where it cannot be
        measured (an encoder without BatchNorm).
    probe : score (AUC) of a linear head on the fixed features, by patient-wise cross-validation.
    gain : how much of it random weights of the same encoder lack, paired.
    curve : what the last doubling of the training images gave the probe.
    rarest : share of the images that the rarest class has; None for masks.
    side : median short side of the images, in pixels.
    grey : whether all images are grey.
    minutes : predicted minutes of training, by step of the table.
    machine : what it was measured on.
    """

    task: Literal["segmentation", "classification"]
    images: int
    patients: int | None
    blocks: int
    distance: Interval | None
    word: Word | None
    probe: Interval | None
    gain: Interval | None
    curve: Curve | None
    rarest: float | None
    side: int
    grey: bool
    machine: Machine
    minutes: dict[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Patients, or images where no patient is known."""
        return self.images if self.patients is None else self.patients

    def with_minutes(self, minutes: dict[str, float]) -> Facts:
        """The same, with how long each step of the table would train for."""
        return replace(self, minutes=minutes)

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; an undefined number is None."""
        plain: dict[str, Any] = _defined(asdict(self))
        return plain


def _defined(value: Any) -> Any:
    """The same with None for what is undefined, as JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
