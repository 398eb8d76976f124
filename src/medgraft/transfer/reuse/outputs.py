"""What the blocks of an encoder return, one after the other, so that no two outputs need be kept."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from medgraft.models import Encoder


def block_outputs(encoder: Encoder, images: Tensor) -> Iterator[Tensor]:
    """Yield the output of each block, from input to output, for images [B, C, H, W] in [0, 1].

    An output is to be used before the next is asked for: the next block may write over it. Maps [B, C, h, w] (of an
    encoder that was not cut [B, h, w, C]), tokens [B, N, D], or, at the end of an encoder for labels, features [B, D].

    Raises
    ------
    RecipeError
        When an encoder for labels does not take images of that size.
    """
    hidden = encoder.normalise(images)
    for block in encoder.blocks:
        hidden = block(hidden)
        yield hidden.permute(0, 3, 1, 2) if encoder.channels_last and hidden.ndim == 4 else hidden


def maps_of(output: Tensor) -> Tensor | None:
    """A block's output as maps [B, C, h, w], for square images; None where it has no places in rows and columns."""
    if output.ndim != 4:
        return None
    if output.shape[2] == output.shape[3]:
        return output
    return output.permute(0, 3, 1, 2) if output.shape[1] == output.shape[2] else None


def pooled(output: Tensor) -> Tensor:
    """The average of a block's output over all places (of tokens, over all tokens), [B, D] float32."""
    maps = maps_of(output)
    if maps is not None:
        return maps.float().mean(dim=(2, 3))
    return output.float().mean(dim=1) if output.ndim == 3 else output.float().flatten(1)
