"""Runs for tests of inference: models whose answers are known, without a training."""

from pathlib import Path

import torch
from torch import nn

from medgraft.data import LabelClasses, MaskClasses
from medgraft.label_predictor import LabelPredictor
from medgraft.predictor import Predictor
from medgraft.recipe import Recipe

BINARY = MaskClasses(("background", "lesion"), ((0, 0, 0), (255, 255, 1)))
THREE = MaskClasses(("background", "grey", "white"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
PAIR = LabelClasses(("normal", "ill"))


class Pixelwise(nn.Module):
    """Logits [B, 1, H, W] from the pixel alone, so it is equivariant under every flip and turn."""

    def __init__(self, gain=4.0, offset=-2.0):
        super().__init__()
        self.gain, self.offset = nn.Parameter(torch.tensor(gain)), offset

    def forward(self, images):
        return images.mean(1, keepdim=True) * self.gain + self.offset


class Ramp(nn.Module):
    """Logits that grow from left to right whatever the image shows."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, images):
        line = torch.linspace(-2, 2, images.shape[-1]) * self.gain
        return line.expand(len(images), 1, images.shape[-2], -1)


class Constant(nn.Module):
    """The same logits for every pixel, or for every image."""

    def __init__(self, *logits, maps=False):
        super().__init__()
        self.logits, self.maps = nn.Parameter(torch.tensor(logits)), maps

    def forward(self, images):
        if not self.maps:
            return self.logits.expand(len(images), -1)
        return self.logits[None, :, None, None].expand(len(images), -1, *images.shape[-2:])


class FakeRun:
    """What :class:`medgraft.inference.Trained` asks of a run."""

    def __init__(self, folder, model, classes=BINARY, size=16, folds=(), threshold=0.5, source_size=None, **options):
        self.folder, self.folds, self.classes = Path(folder), list(folds), classes
        self.task = "segmentation" if isinstance(classes, MaskClasses) else "classification"
        kind = Predictor if self.task == "segmentation" else LabelPredictor
        channels = options.pop("channels", 1)
        temperature = options.pop("temperature", 1.0)
        self.recipe = Recipe.make(task=self.task, size=max(size, 32), **options)
        self.predictor = self.label_predictor = kind(model, size, channels, classes, threshold, temperature)
        self.model_info = {"classes": classes.to_dict(), "threshold": threshold, "source_size": source_size}
