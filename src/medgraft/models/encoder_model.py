"""What a model with an encoder is, whatever it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from medgraft.models.encoder import Encoder

Size = tuple[int, int]


class EncoderModel(nn.Module, ABC):
    """An encoder and something that turns its outputs into logits.

    Attributes
    ----------
    encoder : Encoder
    classes : int
        How many logits there are for a pixel or an image: 1 for a binary target.
    in_channels : int
        Channels of the images.
    """

    encoder: Encoder

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classes = classes
        self.in_channels = encoder.in_channels

    @abstractmethod
    def forward_from(self, outputs: Sequence[Tensor], start: int, size: Size) -> Tensor:
        """Continue from ``encoder.forward_prefix(images, start)`` for images of ``size`` [H, W], to the logits."""
