"""A trained classifier with its preprocessing: from an image of any size to a probability for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.data import LabelClasses, scale
from medgraft.data.resize import resize_image
from medgraft.prediction import Array, LabelPrediction, as_pixels, decide_label
from medgraft.window import AUTO


@dataclass(frozen=True)
class LabelPredictor:
    """A model, the size it works at, its classes and its threshold.

    Attributes
    ----------
    model : returns logits [B, 1 or C] for images [B, channels, H, W] in [0, 1]; put in eval mode.
    size : images are resized to [size, size], as they were in training.
    channels : 1 (grey) or 3 (colour).
    threshold : probability from which the second of two classes, or one of several labels, is given.
    temperature : logits are divided by it before they become probabilities (Guo et al. 2017); 1 leaves them alone.
    window : how files of measured values (DICOM, volumes) become pixels, as it was in training.
    """

    model: nn.Module
    size: int
    channels: int
    classes: LabelClasses
    threshold: float = 0.5
    temperature: float = 1.0
    window: str = AUTO

    def predict(self, image: str | Path | Array) -> LabelPrediction:
        """Predict one image: a file, or an array [H, W] or [H, W, channels] of uint8 or uint16.

        Raises DataError for a file that cannot be read and for an array of another shape or dtype.
        """
        resized = resize_image(as_pixels(image, self.channels, self.window), self.size)
        batch = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))).unsqueeze(0)
        return self.decide(self.probabilities(batch)[0])

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Array:
        """Return float32 probabilities [B, C] for images [B, channels, size, size], unscaled.

        Always in float32 PyTorch, so that an evaluation does not depend on what the training ran on.
        """
        self.model.eval()
        device = next(self.model.parameters()).device
        return self.of_logits(self.model(scale(images.to(device))))

    def of_logits(self, logits: Tensor) -> Array:
        """Turn logits [B, 1 or C] into float32 probabilities [B, C]; of two classes, both are given."""
        logits = logits.float() / self.temperature
        if self.classes.kind == "multiclass":
            probability = logits.softmax(1)
        elif self.classes.kind == "multilabel":
            probability = logits.sigmoid()
        else:
            # Two logits, so that both probabilities keep their digits near 0.
            probability = torch.cat([(-logits).sigmoid(), logits.sigmoid()], dim=1)
        result: Array = probability.cpu().numpy()
        return result

    def decide(self, probabilities: Array) -> LabelPrediction:
        """The label for probabilities [C]: by the threshold, or the largest of more than two classes."""
        return decide_label(probabilities, self.classes, self.threshold)
