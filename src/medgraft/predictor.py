"""A trained model with its preprocessing: from an image of any size to a mask of that size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medgraft.data import MaskClasses, read_image, scale
from medgraft.data.resize import resize_image
from medgraft.errors import DataError
from medgraft.window import AUTO

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, at the image's own size.

    Attributes
    ----------
    probability : float32 [H, W] of the foreground (binary), or [C, H, W] over the classes.
    classes : uint8 [H, W], the class of each pixel; 0 is the background.
    mask : [H, W], the same in the values of the training masks (such as 0 and 255).
    """

    probability: Array
    classes: Array
    mask: Array


@dataclass(frozen=True)
class Predictor:
    """A model, the size it works at, its classes and its threshold.

    Attributes
    ----------
    model : returns logits [B, 1 or C, H, W] for images [B, channels, H, W] in [0, 1]; put in eval mode.
    size : images are resized to [size, size], as they were in training.
    channels : 1 (grey) or 3 (colour).
    threshold : probability from which a pixel is foreground, in the binary case.
    window : how files of measured values (DICOM, volumes) become pixels, as it was in training.
    """

    model: nn.Module
    size: int
    channels: int
    classes: MaskClasses
    threshold: float = 0.5
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
        logits = self.model(scale(images.to(device))).float()
        probability = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        result: Array = probability.cpu().numpy()
        return result

    def at_size(self, probability: Array, height: int, width: int) -> Prediction:
        """Bring probabilities [1 or C, size, size] to [height, width] (bilinear) and decide the class of each pixel."""
        planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in probability]
        if len(planes) == 1:
            full, decided = planes[0], (planes[0] >= self.threshold).astype(np.uint8)
        else:
            full = np.stack(planes)
            decided = full.argmax(0).astype(np.uint8)
        return Prediction(full, decided, self.classes.decode(decided))


def as_pixels(image: str | Path | Array, channels: int, window: str = AUTO) -> Array:
    """Return a file's or an array's pixels [H, W, channels], uint8 or uint16; DataError for anything else."""
    if isinstance(image, str | Path):
        pixels: Array = read_image(image, channels, window=window)
        return pixels
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16) or min(array.shape[:2]) < 1:
        raise DataError(
            f"an image array has shape [H, W] or [H, W, channels] and dtype uint8 or uint16, "
            f"not {list(np.shape(image))} of {array.dtype}."
        )
    if array.shape[2] == 1 and channels == 3:
        array = np.repeat(array, 3, axis=2)
    if array.shape[2] != channels:
        raise DataError(f"the model takes images of {channels} channels and this array has {array.shape[2]}.")
    return array
