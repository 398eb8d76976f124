"""A trained model with its preprocessing: from an image of any size to a mask of that size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.data import MaskClasses, scale
from medgraft.data.resize import resize_image
from medgraft.prediction import Array, Prediction, as_pixels, decide_mask
from medgraft.window import AUTO


@dataclass(frozen=True)
class Predictor:
    """A model, the size it works at, its classes and its threshold.

    Attributes
    ----------
    model : returns logits [B, 1 or C, H, W] for images [B, channels, H, W] in [0, 1]; put in eval mode.
    size : images are resized to [size, size], as they were in training.
    channels : 1 (grey) or 3 (colour).
    threshold : probability from which a pixel is foreground, in the binary case.
    temperature : logits are divided by it before they become probabilities (Guo et al. 2017); 1 leaves them alone.
    window : how files of measured values (DICOM, volumes) become pixels, as it was in training.
    """

    model: nn.Module
    size: int
    channels: int
    classes: MaskClasses
    threshold: float = 0.5
    temperature: float = 1.0
    window: str = AUTO

    def predict(self, image: str | Path | Array) -> Prediction:
        """Predict one image: a file, or an array [H, W] or [H, W, channels] of uint8 or uint16.

        Raises DataError for a file that cannot be read and for an array of another shape or dtype.
        """
        pixels = as_pixels(image, self.channels, self.window)
        resized = resize_image(pixels, self.size)
        batch = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))).unsqueeze(0)
        height, width = pixels.shape[:2]
        return self.at_size(self.probabilities(batch)[0], height, width)

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Array:
        """Return float32 probabilities [B, 1 or C, size, size] for images [B, channels, size, size], unscaled.

        Always in float32 PyTorch, so that an evaluation does not depend on what the training ran on.
        """
        self.model.eval()
        device = next(self.model.parameters()).device
        logits = self.model(scale(images.to(device))).float() / self.temperature
        probability = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        result: Array = probability.cpu().numpy()
        return result

    def at_size(self, probability: Array, height: int, width: int) -> Prediction:
        """Bring probabilities [1 or C, size, size] to [height, width] (bilinear) and decide the class of each pixel."""
        return decide_mask(probability, height, width, self.classes, self.threshold)
