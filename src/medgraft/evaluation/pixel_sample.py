"""Pixels of many masks, as many from each image, so that their probabilities can be scored and scaled as labels are.

All pixels of a data set do not fit in memory and say little more than a thousand an image: pixels of one image resemble
each other, and the images are what an interval is about.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.data.labels import Kind
from medgraft.errors import DataError
from medgraft.evaluation.forecasts import outcomes_of
from medgraft.evaluation.outcomes import Outcomes
from medgraft.evaluation.temperature import TemperatureFit, temperature_of_probabilities

PIXELS = 1000


@dataclass
class PixelSample:
    """A sample that grows image by image.

    Attributes
    ----------
    names : of the classes, the background first.
    pixels : drawn from each image without replacement; all of an image that has fewer.
    seed : of the draws. Which pixels are drawn depends on it and on the image's id alone, not on the order of images.
    """

    names: tuple[str, ...]
    pixels: int = PIXELS
    seed: int = 0
    _probabilities: list[NDArray[np.float32]] = field(default_factory=list, init=False, repr=False)
    _truth: list[NDArray[np.uint8]] = field(default_factory=list, init=False, repr=False)
    _groups: list[Any] = field(default_factory=list, init=False, repr=False)

    @property
    def kind(self) -> Kind:
        """``binary`` for a background and one structure, else ``multiclass``."""
        return "binary" if len(self.names) == 2 else "multiclass"

    def add(self, identity: str, probability: ArrayLike, truth: ArrayLike, group: Any = None) -> None:
        """Draw pixels of one image.

        Parameters
        ----------
        identity : the image's id.
        probability : of the foreground [H, W] or [1, H, W], or of each class [C, H, W], the background first.
        truth : [H, W], the class of each pixel, 0 the background.
        group : the image's patient; None (or blank) where it stands for itself.

        Raises
        ------
        DataError
            If shapes do not fit.
        """
        mask = np.asarray(truth)
        shares = np.asarray(probability, dtype=np.float32)
        shares = shares[None] if shares.ndim == 2 else shares
        planes = 1 if self.kind == "binary" else len(self.names)
        if shares.shape != (planes, *mask.shape) or mask.ndim != 2 or not mask.size:
            raise DataError(
                f"{identity}: probabilities [{planes}, H, W] and a mask [H, W] of one size are wanted "
                f"(got {list(shares.shape)} and {list(mask.shape)})."
            )
        rng = np.random.default_rng((self.seed, zlib.crc32(identity.encode())))
        chosen = rng.choice(mask.size, min(self.pixels, mask.size), replace=False, shuffle=False)
        self._probabilities.append(shares.reshape(planes, -1)[:, chosen].T)
        self._truth.append(mask.ravel()[chosen].astype(np.uint8))
        blank = group is None or not str(group).strip() or group != group
        self._groups += [f"image {identity}" if blank else f"group {group}"] * len(chosen)

    def outcomes(self) -> Outcomes:
        """Return the pixels in the form that calibration is scored in; DataError where there are none."""
        found = outcomes_of(self._values(), self._classes(), self.kind)
        return Outcomes(self.names, False, found.truth, found.decided, found.probabilities)

    @property
    def groups(self) -> list[str]:
        """The patient, or else the image, of each pixel."""
        return list(self._groups)

    def temperature(self) -> TemperatureFit:
        """Fit a temperature to the pixels: each image weighs the same, however large it is.

        Raises
        ------
        DataError
            As :func:`~medgraft.evaluation.temperature.temperature_of_probabilities` does.
        """
        return temperature_of_probabilities(self._values(), self._classes(), self.kind)

    def _values(self) -> NDArray[np.float32]:
        if not self._truth:
            raise DataError("no image was added, so there is no pixel to score.")
        values = np.concatenate(self._probabilities)
        return values[:, 0] if self.kind == "binary" else values

    def _classes(self) -> NDArray[np.uint8]:
        return np.concatenate(self._truth)
