"""A trained model from pixels to probabilities, as one module: what the exported file holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medgraft.data import LabelClasses, MaskClasses
from medgraft.export.resizing import resized
from medgraft.models import Classifier, Segmenter


class Graph(nn.Module):
    """Preprocessing, model, temperature and the final sigmoid or softmax.

    Parameters
    ----------
    model : returns logits for images [B, C, H, W] in [0, 1].
    classes : of labels or masks; they decide between sigmoid and softmax.
    temperature : logits are divided by it.
    size : side that images are brought to inside the graph; None takes them as they come.

    Attributes
    ----------
    outputs : names of what :meth:`forward` returns.
    """

    def __init__(
        self, model: nn.Module, classes: LabelClasses | MaskClasses, temperature: float = 1.0, size: int | None = None
    ) -> None:
        super().__init__()
        self.model, self.classes, self.temperature, self.size = model, classes, temperature, size
        self.outputs = ("probabilities", "features") if has_features(model) else ("probabilities",)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images [B, H, W, C], values from 0 to 255 of any dtype, to probabilities and features.

        Returns
        -------
        tuple of Tensor
            Probabilities [B, classes] of labels, or [B, 1 or classes, H, W] of masks, and, where the model has an
            encoder, its pooled features [B, D].
        """
        # A whole number may round to another one than in training, as it does there.
        whole = not images.is_floating_point()
        values = images.float().permute(0, 3, 1, 2)
        if self.size is not None:
            values = resized(values, self.size, whole)
        logits, *features = _parts(self.model, values / 255.0)
        return (self._probabilities(logits.float() / self.temperature), *features)

    def _probabilities(self, logits: Tensor) -> Tensor:
        if isinstance(self.classes, MaskClasses):
            return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        if self.classes.kind == "multiclass":
            return logits.softmax(1)
        # onnxruntime's sigmoid is the same for all logits below about -18, which then cannot be ranked any more.
        if self.classes.kind == "multilabel":
            return 1 / (1 + (-logits).exp())
        return torch.cat([torch.zeros_like(logits), logits], dim=1).softmax(1)


def has_features(model: nn.Module) -> bool:
    """Whether a model has an encoder whose pooled features can be given beside the logits."""
    return isinstance(model, Classifier | Segmenter)


def _parts(model: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Logits and pooled features, the encoder being run once for both."""
    if isinstance(model, Classifier):
        features = model.encoder.forward_pooled(images)
        return model.head(features), features
    if isinstance(model, Segmenter):
        pyramid = model.encoder.forward_pyramid(images)
        size = (int(images.shape[-2]), int(images.shape[-1]))
        return model.decode(pyramid, size), pyramid[-1].mean(dim=(2, 3))
    return (model(images),)
