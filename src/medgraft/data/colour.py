"""Colour augmentation: brightness, contrast, saturation and hue as one affine map of the channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.policy import Augment

Pixels = npt.NDArray[Any]

# Luma of ITU-R BT.601, as in PIL's "L", and the NTSC colour axes I and Q.
LUMA = np.array([0.299, 0.587, 0.114])
_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Colour:
    """One sampled change of colour, applied in the order brightness, contrast, saturation, hue.

    Parameters
    ----------
    brightness
        Factor on every value (``PIL.ImageEnhance.Brightness``).
    contrast
        Factor on the distance to the image's mean luma (``PIL.ImageEnhance.Contrast``).
    saturation
        Factor on the distance to the pixel's own luma (``PIL.ImageEnhance.Color``); colour images only.
    hue
        Rotation of the I-Q plane of YIQ as a fraction of a full turn, which keeps luma and greys; colour
        images only.

    Notes
    -----
    Values are clipped once, at the end, whereas a chain of separate steps clips after each.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether every value stays what it is, in a colour image too."""
        return self == Colour()

    def matrix(self, image: Pixels) -> npt.NDArray[np.float64]:
        """Return the affine map ``[C, C + 1]`` for ``image`` [H, W, C]; its last column is in grey levels."""
        channels = image.shape[2]
        colour = channels == len(LUMA)
        luma = LUMA if colour else np.full(channels, 1 / channels)
        mean = np.array(cv2.mean(image)[:channels]) if channels <= 4 else image.mean(axis=(0, 1))
        linear = self._mixing() if colour else np.eye(channels)
        # Saturation and hue keep greys, so contrast's grey offset passes through them unchanged.
        offset = (1.0 - self.contrast) * self.brightness * float(luma @ mean)
        map_ = np.empty((channels, channels + 1))
        map_[:, :channels] = self.brightness * self.contrast * linear
        map_[:, channels] = offset
        return map_

    def apply(self, image: Pixels) -> Pixels:
        """Change ``image`` [H, W, C], uint8 or uint16; where nothing changes, returns the array itself."""
        if self.changes_nothing:
            return image
        return np.asarray(cv2.transform(image, self.matrix(image))).reshape(image.shape)

    def _mixing(self) -> npt.NDArray[np.float64]:
        angle = 2.0 * np.pi * self.hue
        cosine, sine = self.saturation * np.cos(angle), self.saturation * np.sin(angle)
        turned = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        mixing: npt.NDArray[np.float64] = _RGB @ turned @ _YIQ
        return mixing


def sample_colour(policy: Augment, rng: np.random.Generator) -> Colour:
    """Draw a change within ``policy``'s ranges (always four values)."""
    signed = (2.0 * rng.random(4) - 1.0).tolist()
    return Colour(
        brightness=1.0 + policy.brightness * signed[0],
        contrast=1.0 + policy.contrast * signed[1],
        saturation=1.0 + policy.saturation * signed[2],
        hue=policy.hue * signed[3],
    )
