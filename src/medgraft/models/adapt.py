"""First-convolution adaptation: a pretrained colour encoder takes grey or n-channel images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor, nn

from medgraft.errors import RecipeError, suggest
from medgraft.models.normalise import Normalise, NormaliseWithOnes

ADAPTATIONS = ("sum", "mean")


@dataclass(frozen=True)
class FirstLayer:
    """What stands at the front of an encoder: a normalisation and the weight of the first convolution.

    ``weight`` is [out, in, kh, kw]; ``in`` counts the planes that ``normalise`` returns.
    """

    normalise: Normalise
    weight: Tensor


def adapt_first_layer(
    weight: Tensor, mean: Sequence[float], std: Sequence[float], in_channels: int, how: str = "sum"
) -> FirstLayer:
    """Turn the first convolution of a colour or grey encoder into one for ``in_channels`` channels.

    Parameters
    ----------
    weight
        [out, 3, kh, kw], the weight for normalised RGB images; or [out, 1, kh, kw], where grey images were learnt.
    mean, std
        Statistics of the three colours, or of grey, for images in [0, 1].
    in_channels
        1: see ``how``. 3: unchanged. Else: colours are cycled (RGBRG..), weights scaled by 3 / n so that the
        responses keep their size. A grey encoder is unchanged for 1; for n channels its plane and statistics are
        repeated and the weights divided by n, so that it sees the average of the channels.
    how
        ``sum``: the 1-channel encoder returns what the colour encoder returns on the grey image repeated
        three times, up to rounding, at the border too. ``mean``: weights and statistics averaged over the
        colours (a third of the response).

    Raises
    ------
    RecipeError
        When ``how`` is unknown or ``in_channels`` is below 1.
    """
    if how not in ADAPTATIONS:
        raise RecipeError(f"no adaptation {how!r}; there are {', '.join(ADAPTATIONS)}.{suggest(how, ADAPTATIONS)}")
    if in_channels < 1:
        raise RecipeError(f"in_channels: an image has at least 1 channel (got {in_channels}).")
    if in_channels == len(mean):
        return FirstLayer(Normalise(mean, std), weight)
    if in_channels > 1:
        return _cycled(weight, mean, std, in_channels)
    return _summed(weight, mean, std) if how == "sum" else _averaged(weight, mean, std)


def _summed(weight: Tensor, mean: Sequence[float], std: Sequence[float]) -> FirstLayer:
    """One grey plane x = (g - m) / s in place of three (g - m_c) / s_c = x s / s_c + (m - m_c) / s_c.

    The second term is constant inside the image and 0 in the padding, so it is a convolution over a plane of
    ones; where the colours share their statistics it vanishes and no such plane is needed.
    """
    grey_mean, grey_std = sum(mean) / len(mean), sum(std) / len(std)
    exact = weight.double()
    scales = torch.tensor([grey_std / s for s in std], dtype=torch.float64).view(1, -1, 1, 1)
    offsets = [(grey_mean - m) / s for m, s in zip(mean, std, strict=True)]
    on_grey = (exact * scales).sum(1, keepdim=True)
    if len(set(mean)) == 1 and len(set(std)) == 1:
        return FirstLayer(Normalise(mean[:1], std[:1]), on_grey.to(weight.dtype))
    on_ones = (exact * torch.tensor(offsets, dtype=torch.float64).view(1, -1, 1, 1)).sum(1, keepdim=True)
    both = torch.cat([on_grey, on_ones], dim=1).to(weight.dtype)
    return FirstLayer(NormaliseWithOnes([grey_mean], [grey_std]), both)


def _averaged(weight: Tensor, mean: Sequence[float], std: Sequence[float]) -> FirstLayer:
    normalise = Normalise([sum(mean) / len(mean)], [sum(std) / len(std)])
    return FirstLayer(normalise, weight.mean(1, keepdim=True))


def _cycled(weight: Tensor, mean: Sequence[float], std: Sequence[float], in_channels: int) -> FirstLayer:
    colours = list(islice(cycle(range(weight.shape[1])), in_channels))
    normalise = Normalise([mean[c] for c in colours], [std[c] for c in colours])
    return FirstLayer(normalise, weight[:, colours] * (weight.shape[1] / in_channels))


def adapt_model(
    model: nn.Module, first: object, mean: Sequence[float], std: Sequence[float], in_channels: int, how: str
) -> Normalise:
    """Adapt a model to ``in_channels`` channels, see :func:`adapt_first_layer`, and return its normalisation.

    Parameters
    ----------
    first
        The name of its first convolution as timm tells it, or the names of several that see the image.

    Raises
    ------
    RecipeError
        When the channels are to be changed and the first layer is no plain convolution.
    """
    names = [first] if isinstance(first, str) else list(first) if isinstance(first, tuple) else []
    parts = dict(model.named_modules())
    layers = [parts.get(name) for name in names]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if not convolutions or len(convolutions) < len(layers):
        if in_channels == len(mean):
            return Normalise(mean, std)
        raise RecipeError(
            f"the first layer {first} is no plain convolution; only images of {len(mean)} channels can be used."
        )
    for convolution in convolutions:
        adapted = adapt_first_layer(convolution.weight, mean, std, in_channels, how)
        if adapted.weight is not convolution.weight:
            convolution.in_channels = adapted.weight.shape[1]
            convolution.weight = nn.Parameter(adapted.weight.detach().clone())
    return adapted.normalise
