"""One model as it answers: its own reading of an image, and the views and windows that it sees of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medgraft.data import resize_image
from medgraft.errors import RunError
from medgraft.inference.views import IDENTITY, View
from medgraft.inference.windows import Tiling, blended
from medgraft.label_predictor import LabelPredictor
from medgraft.prediction import Array
from medgraft.predictor import Predictor


@dataclass(frozen=True)
class Member:
    """A model with its preprocessing, and how often it looks.

    Attributes
    ----------
    predictor : the model with its own size, channels, window and temperature.
    views : what it looks at; the probabilities (not the logits) of all views are averaged, each turned back first.
    tiling : the windows that larger images are cut into; None shows every image as a whole, as in training.
    """

    predictor: Predictor | LabelPredictor
    views: tuple[View, ...] = (IDENTITY,)
    tiling: Tiling | None = None

    @property
    def reading(self) -> tuple[int, str]:
        """What decides how a file becomes pixels: channels and window."""
        return self.predictor.channels, self.predictor.window

    @property
    def scaling(self) -> Tiling | int:
        """What decides how pixels are resized."""
        return self.tiling or self.predictor.size

    def shown(self, pixels: Array) -> Array:
        """What the model is shown of pixels [H, W, C]: [size, size, C], or more where there are windows."""
        return self.tiling.scaled(pixels) if self.tiling else resize_image(pixels, self.predictor.size)

    def probabilities(self, shown: Sequence[Array]) -> list[Array]:
        """Probabilities of each image that is shown: [C], or for masks [1 or C, h, w] at the scale it is shown at.

        Raises RunError where the model gives no numbers.
        """
        size = self.predictor.size
        whole = [image.shape[:2] == (size, size) for image in shown]
        found = iter(_by_type([image for image, is_whole in zip(shown, whole, strict=True) if is_whole], self._batch))
        return [next(found) if is_whole else self._tiled(image) for image, is_whole in zip(shown, whole, strict=True)]

    def _tiled(self, image: Array) -> Array:
        assert self.tiling is not None
        return blended(image, self.tiling, self._batch)

    def _batch(self, images: Array) -> Array:
        """Probabilities [B, ...] of images [B, size, size, C], the mean over the views."""
        # Not made contiguous: channels come last in memory, which is the faster way through most convolutions.
        batch = torch.from_numpy(images).permute(0, 3, 1, 2)
        said = [self._of_view(batch, view) for view in self.views]
        mean = said[0] if len(said) == 1 else np.asarray(sum(said[1:], start=said[0]) / np.float32(len(said)))
        if not np.isfinite(mean).all():
            # Compared with any threshold they would all be negative, as if nothing had been found.
            raise RunError(
                "the model's probabilities are no numbers (NaN), so its weights are damaged, or its training went "
                "astray; train it again, with a smaller learning rate."
            )
        return mean

    def _of_view(self, batch: torch.Tensor, view: View) -> Array:
        probability = self.predictor.probabilities(view.of(batch))
        if probability.ndim == 2:
            return probability
        undone: Array = view.undo(torch.from_numpy(probability)).numpy()
        return undone


def _by_type(images: Sequence[Array], model: Callable[[Array], Array]) -> list[Array]:
    """Images of 8 and of 16 bits are scaled by their own white, so they cannot lie in one array."""
    results: dict[int, Array] = {}
    for dtype in dict.fromkeys(image.dtype for image in images):
        places = [place for place, image in enumerate(images) if image.dtype == dtype]
        results |= dict(zip(places, model(np.stack([images[place] for place in places])), strict=True))
    return [results[place] for place in range(len(images))]
