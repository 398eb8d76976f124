"""Decoders of segmentation-models-pytorch on our encoders, under the same interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.errors import RecipeError, suggest
from medgraft.models.encoder import Encoder
from medgraft.models.encoder_model import Size
from medgraft.models.encoder_unet import Segmenter

Parts = tuple[nn.Module, nn.Module]


class SmpSegmenter(Segmenter):
    """A decoder of segmentation-models-pytorch, with that library's own default widths.

    That library wants sides that are multiples of 32. Here levels of other sizes are extended at the right
    and bottom by repeating their last column and row, and the logits are cut to the input's size; for
    multiples of 32 nothing is changed.

    Parameters
    ----------
    encoder
        An encoder whose levels have strides 2 (or 4), and so on, doubling, to 32.
    decoder
        ``deeplabv3plus`` (Chen et al. 2018, arXiv:1802.02611), ``fpn`` (Kirillov et al. 2019,
        arXiv:1901.02446), ``unetplusplus`` (Zhou et al. 2018, arXiv:1807.10165) or ``segformer`` (Xie et al.
        2021, arXiv:2105.15203). DeepLabV3+ dilates its encoder to stride 16; ours stay as they are, and the
        coarsest level is enlarged to stride 16 instead, so that prefixes and weights serve every decoder.
    classes
        Channels of the logits.

    Raises
    ------
    RecipeError
        When the library is not installed, the decoder is unknown, or the encoder's strides do not suit.
    """

    def __init__(self, encoder: Encoder, decoder: str, classes: int = 1) -> None:
        super().__init__(encoder, classes)
        if decoder not in _MAKERS:
            known = ", ".join(SMP_DECODERS)
            raise RecipeError(f"no decoder smp:{decoder}; there are {known}.{suggest(decoder, SMP_DECODERS)}")
        if encoder.strides not in ((2, 4, 8, 16, 32), (4, 8, 16, 32)):
            raise RecipeError(
                f"model smp:{decoder} wants an encoder with levels at strides 4, 8, 16, 32 (2 as well, if it "
                f"has it); {encoder.name} has {encoder.strides}. Use model encoder_unet with it."
            )
        self.decoder_name = decoder
        # That library counts the image as a level, and a missing stride 2 as one without channels.
        missing = (0,) if encoder.strides[0] == 4 else ()
        channels = (encoder.in_channels, *missing, *encoder.channels)
        self.decoder, self.head = _MAKERS[decoder](_library(decoder), channels, classes)

    def decode(self, pyramid: Sequence[Tensor], size: Size) -> Tensor:
        """Turn the pyramid into logits [B, classes, *size]."""
        whole = (-(-size[0] // 32) * 32, -(-size[1] // 32) * 32)
        levels = [
            _extended(level, (whole[0] // stride, whole[1] // stride))
            for level, stride in zip(pyramid, self.encoder.strides, strict=True)
        ]
        if self.decoder_name == "deeplabv3plus":
            levels[-1] = F.interpolate(levels[-1], size=levels[-2].shape[-2:], mode="bilinear", align_corners=False)
        batch = levels[0].shape[0]
        if self.encoder.strides[0] == 4:
            levels.insert(0, levels[0].new_empty(batch, 0, whole[0] // 2, whole[1] // 2))
        levels.insert(0, levels[0].new_empty(batch, 0, *whole))
        logits: Tensor = self.head(self.decoder(levels))
        return logits[..., : size[0], : size[1]]


def _extended(level: Tensor, size: Size) -> Tensor:
    """Repeat the last row and column until the level has ``size``."""
    rows, columns = size[0] - level.shape[-2], size[1] - level.shape[-1]
    return F.pad(level, (0, columns, 0, rows), mode="replicate") if rows or columns else level


def _library(decoder: str) -> Any:
    try:
        import segmentation_models_pytorch as library
    except ImportError:
        raise RecipeError(
            f"model smp:{decoder} needs segmentation-models-pytorch; install it by: "
            'pip install "medgraft[smp]". Or use model encoder_unet.'
        ) from None
    return library


def _head(library: Any, in_channels: int, classes: int, kernel: int, upsampling: int) -> nn.Module:
    head: nn.Module = library.base.SegmentationHead(
        in_channels=in_channels, out_channels=classes, kernel_size=kernel, upsampling=upsampling
    )
    return head


def _deeplabv3plus(library: Any, channels: Sequence[int], classes: int) -> Parts:
    decoder = library.decoders.deeplabv3.decoder.DeepLabV3PlusDecoder(
        encoder_channels=channels, encoder_depth=5, out_channels=256, atrous_rates=(12, 24, 36),
        output_stride=16, aspp_separable=True, aspp_dropout=0.5,
    )  # fmt: skip
    return decoder, _head(library, 256, classes, kernel=1, upsampling=4)


def _fpn(library: Any, channels: Sequence[int], classes: int) -> Parts:
    decoder = library.decoders.fpn.decoder.FPNDecoder(encoder_channels=list(channels), encoder_depth=5)
    return decoder, _head(library, decoder.out_channels, classes, kernel=1, upsampling=4)


def _unetplusplus(library: Any, channels: Sequence[int], classes: int) -> Parts:
    widths = (256, 128, 64, 32, 16)
    decoder = library.decoders.unetplusplus.decoder.UnetPlusPlusDecoder(
        encoder_channels=channels, decoder_channels=widths, n_blocks=5
    )
    return decoder, _head(library, widths[-1], classes, kernel=3, upsampling=1)


def _segformer(library: Any, channels: Sequence[int], classes: int) -> Parts:
    decoder = library.decoders.segformer.decoder.SegformerDecoder(
        encoder_channels=list(channels), encoder_depth=5, segmentation_channels=256
    )
    return decoder, _head(library, 256, classes, kernel=1, upsampling=4)


_MAKERS: dict[str, Callable[[Any, Sequence[int], int], Parts]] = {
    "deeplabv3plus": _deeplabv3plus,
    "fpn": _fpn,
    "unetplusplus": _unetplusplus,
    "segformer": _segformer,
}

SMP_DECODERS = tuple(_MAKERS)
