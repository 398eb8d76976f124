"""EncoderUNet: a U-Net whose contracting half is a pretrained encoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.errors import RecipeError
from medgraft.models.encoder import Encoder
from medgraft.models.encoder_model import EncoderModel, Size
from medgraft.models.unet import DoubleConv


class Segmenter(EncoderModel):
    """An encoder and something that turns its pyramid into logits.

    Attributes
    ----------
    encoder : Encoder
    classes : int
        Channels of the logits: 1 for a binary mask, else one for each class with background.
    in_channels : int
        Channels of the images.
    """

    @abstractmethod
    def decode(self, pyramid: Sequence[Tensor], size: Size) -> Tensor:
        """Turn the encoder's pyramid into logits [B, classes, *size]."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] in [0, 1] to logits [B, classes, H, W], for H and W of at least 32."""
        height, width = images.shape[-2:]
        return self.decode(self.encoder.forward_pyramid(images), (height, width))

    def forward_from(self, outputs: Sequence[Tensor], start: int, size: Size) -> Tensor:
        """Continue from ``encoder.forward_prefix(images, start)`` for images of ``size``, to the logits."""
        return self.decode(self.encoder.forward_suffix(outputs, start), size)


class SmartUp(nn.Module):
    """One step up: double the resolution, meet the skip connection at its size, and mix the two.

    Parameters
    ----------
    in_channels, skip_channels, out_channels
        ``skip_channels`` of 0 makes a step without a skip.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.mix = DoubleConv(out_channels + skip_channels, out_channels)

    def forward(self, coarse: Tensor, skips: Sequence[Tensor], size: Size) -> Tensor:
        """Return [B, out, *size] from the coarse map and the skips (none or one) of that size."""
        fine = _resized(self.up(coarse), size)
        mixed: Tensor = self.mix(torch.cat([*skips, fine], dim=1))
        return mixed


class EncoderUNet(Segmenter):
    """U-Net on an encoder (after Ronneberger et al. 2015, arXiv:1505.04597).

    The coarsest level passes a bottleneck, then one :class:`SmartUp` for each finer level, then steps without
    a skip to stride 2. From there a transposed convolution makes the logits at the input's size, which is met
    exactly for any height and width of at least 32. No layer runs at full resolution: on a CPU, a DoubleConv
    of 8 channels there would cost two fifths of the whole decoder.

    Parameters
    ----------
    encoder
        Any :class:`Encoder`.
    classes
        Channels of the logits.
    bottleneck
        Channels after the coarsest level.
    widths
        Channels of the steps up, coarse to fine; as many are used as the encoder wants (four where its levels
        have strides 2 or 4 to 32). They are thin where pixels are many.

    Raises
    ------
    RecipeError
        When there are fewer widths than steps.

    Examples
    --------
    >>> from medgraft.models.encoder import create_encoder
    >>> model = EncoderUNet(create_encoder("resnet18"))
    >>> model(torch.rand(2, 3, 65, 50)).shape
    torch.Size([2, 1, 65, 50])
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: int = 1,
        bottleneck: int = 512,
        widths: Sequence[int] = (128, 64, 32, 16, 8),
    ) -> None:
        super().__init__(encoder, classes)
        doublings = encoder.strides[0].bit_length() - 1
        self._bare = max(doublings - 1, 0)
        skips = [*reversed(encoder.channels[:-1]), *([0] * self._bare)]
        if len(widths) < len(skips):
            raise RecipeError(f"widths: encoder {encoder.name} wants {len(skips)} steps up, got {len(widths)}.")
        widths = list(widths)[: len(skips)]
        self.bottleneck = nn.Sequential(
            nn.Conv2d(encoder.channels[-1], bottleneck, kernel_size=1, bias=False),
            nn.BatchNorm2d(bottleneck),
            nn.ReLU(inplace=True),
        )
        inputs = [bottleneck, *widths[:-1]]
        self.ups = nn.ModuleList(SmartUp(*channels) for channels in zip(inputs, skips, widths, strict=True))
        # An encoder whose finest level has the image's size needs no last doubling.
        self.head: nn.Module = (
            nn.ConvTranspose2d(widths[-1], classes, kernel_size=2, stride=2)
            if doublings
            else nn.Conv2d(widths[-1], classes, kernel_size=1)
        )

    def decode(self, pyramid: Sequence[Tensor], size: Size) -> Tensor:
        """Turn the pyramid into logits [B, classes, *size]."""
        hidden = self.bottleneck(pyramid[-1])
        for step, skip in zip(self.ups, reversed(pyramid[:-1]), strict=False):
            hidden = step(hidden, [skip], (skip.shape[-2], skip.shape[-1]))
        for left in reversed(range(self._bare)):
            scale = 2 ** (left + 1)
            target = (-(-size[0] // scale), -(-size[1] // scale))
            hidden = self.ups[len(self.ups) - 1 - left](hidden, [], target)
        return _resized(self.head(hidden), size)


def _resized(maps: Tensor, size: Size) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
