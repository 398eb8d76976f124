"""The filters of the first convolution, before and after training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from medgraft.models import Encoder

FloatArray = npt.NDArray[np.float32]

SHOWN = 48
"""So many filters are kept at most."""
PLAIN = (1, 3)
"""Planes of filters that a picture can show: grey, or three colours."""


def first_filters(encoder: Encoder, initial: Mapping[str, Tensor]) -> tuple[FloatArray, FloatArray] | None:
    """Weights [F, planes, h, w] of the first convolution (or patch embedding), before and after.

    Of many filters, those that moved most. Planes other than one or three are shown by the first alone: for grey
    images it is what the filter does to the image. None where the filters have a single pixel, or there are none.

    Parameters
    ----------
    initial : the encoder's state before training.
    """
    key = next((name for name, part in encoder.named_modules() if isinstance(part, nn.Conv2d)), None)
    if key is None:
        return None
    after = encoder.get_submodule(key).weight
    assert isinstance(after, Tensor)
    if after.shape[-1] * after.shape[-2] < 2:
        return None
    pair = [each.detach().float().cpu().numpy() for each in (initial[f"{key}.weight"], after)]
    moved = np.abs(pair[1] - pair[0]).sum(axis=(1, 2, 3))
    chosen = np.sort(np.argsort(-moved, kind="stable")[:SHOWN])
    planes = slice(None) if pair[0].shape[1] in PLAIN else slice(0, 1)
    return pair[0][chosen, planes], pair[1][chosen, planes]
