"""BatchNorm statistics of an encoder, estimated anew on the images that it is to work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from medgraft.errors import DataError
from medgraft.models import Encoder
from medgraft.transfer.parts import BatchNorm, batch_norms, encoder_of


@torch.no_grad()
def adapt_statistics(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """Replace the running mean and variance of every BatchNorm of the encoder by those of ``batches``.

    One pass, in which BatchNorms work as in training and all else as in evaluation (dropout is off). The mean is that
    over all images; the variance is the mean of the batches' unbiased variances, each by its number of images (Li et
    al. 2016, arXiv:1603.04779, with the whole target set as the sample). Parameters, modes and momenta stay as they
    were, and no BatchNorm outside the encoder is touched. The same batches in the same order give the same bits.

    Parameters
    ----------
    model
        An :class:`~medgraft.models.Encoder`, or a model that has one.
    batches
        Float images [B, C, H, W] in [0, 1], of the training split alone; moved to the encoder's device. Not read
        where there is nothing to estimate. A last batch of one image is joined to the one before it, for BatchNorm
        can take no variance of a single value.

    Returns
    -------
    int
        How many BatchNorms were estimated: 0 for an encoder without any (ViT, ConvNeXt), or a model without encoder.

    Raises
    ------
    DataError
        When there is no batch, or one image is all there is and a map of it has a single value a channel.
    """
    encoder = model if isinstance(model, Encoder) else encoder_of(model)
    norms = batch_norms(encoder) if encoder is not None else []
    if encoder is None or not norms:
        return 0
    device = next(encoder.parameters()).device
    seen = 0
    with _estimating(encoder, norms), torch.autocast(device.type, enabled=False):
        for batch in _without_lone_last(batches):
            seen += len(batch)
            for norm in norms:
                # A running mean over images: the first batch replaces whatever was there before.
                norm.momentum = len(batch) / seen
            try:
                encoder(batch.to(device, torch.float32))
            except ValueError as error:
                raise _too_few(error) from error
    if seen == 0:
        raise DataError("batch_norm: adapt wants training images to take statistics of, and there is none.")
    return len(norms)


@contextmanager
def _estimating(encoder: Encoder, norms: list[BatchNorm]) -> Iterator[None]:
    """BatchNorms in training mode and counting from 0, all else in eval mode; afterwards as it was."""
    modes = [(module, module.training) for module in encoder.modules()]
    momenta = [norm.momentum for norm in norms]
    encoder.eval()
    for norm in norms:
        # Set directly: train() of a block that is held would put it back into eval mode.
        norm.training = True
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.zero_()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


def _without_lone_last(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The batches, the last joined to the one before it where it holds a single image."""
    held: list[Tensor] = []
    for batch in batches:
        held.append(batch)
        if len(held) > 2:
            yield held.pop(0)
    if len(held) == 2 and len(held[1]) == 1:
        held = [torch.cat(held)]
    yield from held


def _too_few(error: ValueError) -> Exception:
    if "Expected more than 1 value per channel" not in str(error):
        return error
    return DataError(
        "batch_norm: adapt wants two training images or more, because one image leaves a BatchNorm of this encoder "
        "a single value a channel; choose frozen, or a larger --size."
    )
