"""Classifier: an encoder and a small head on its pooled features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from medgraft.errors import RecipeError, suggest
from medgraft.models.encoder_model import EncoderModel, Size
from medgraft.models.features import FeatureEncoder

HEADS = ("linear", "dropout", "mlp")
HIDDEN = 256
"""Hidden units of the head ``mlp``."""


class Classifier(EncoderModel):
    """An encoder and a head on its pooled features.

    Parameters
    ----------
    encoder
        Any :class:`FeatureEncoder`.
    classes
        How many logits an image has: 1 for two classes, else one a class or label.
    head
        ``linear``; ``dropout`` (dropout, linear); or ``mlp`` (linear to 256, ReLU, dropout, linear). Weights start
        as torch has them.
    dropout
        Share of its inputs that the dropout of a head sets to 0.

    Attributes
    ----------
    head : nn.Sequential
        From features [B, encoder.num_features] to logits [B, classes]; its last part is called ``linear``.

    Raises
    ------
    RecipeError
        When there is no such head.

    Examples
    --------
    >>> import torch
    >>> from medgraft.models.features import create_feature_encoder
    >>> model = Classifier(create_feature_encoder("resnet18"), classes=4)
    >>> model(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 4])
    """

    encoder: FeatureEncoder

    def __init__(self, encoder: FeatureEncoder, classes: int = 1, head: str = "linear", dropout: float = 0.5) -> None:
        super().__init__(encoder, classes)
        self.head = _head(head, encoder.num_features, classes, dropout)

    @property
    def final(self) -> nn.Linear:
        """The last layer of the head, which returns the logits."""
        layer = self.head[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] in [0, 1] to logits [B, classes]."""
        logits: Tensor = self.head(self.encoder.forward_pooled(images))
        return logits

    def forward_from(self, outputs: Sequence[Tensor], start: int, size: Size) -> Tensor:
        """Continue from ``encoder.forward_prefix(images, start)``, to logits [B, classes]; ``size`` plays no part."""
        logits: Tensor = self.head(self.encoder.forward_suffix(outputs, start)[0])
        return logits


def _head(name: str, features: int, classes: int, dropout: float) -> nn.Sequential:
    if name not in HEADS:
        raise RecipeError(f"no head {name!r}; there are {', '.join(HEADS)}.{suggest(name, HEADS)}")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if name == "mlp":
        parts["hidden"], parts["act"] = nn.Linear(features, HIDDEN), nn.ReLU(inplace=True)
    if name != "linear":
        parts["dropout"] = nn.Dropout(dropout)
    parts["linear"] = nn.Linear(HIDDEN if name == "mlp" else features, classes)
    return nn.Sequential(parts)
