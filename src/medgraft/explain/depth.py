"""Which layer of a segmentation model is read: the deepest whose maps have something in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from medgraft.explain.explainer import Case, Explainer
from medgraft.explain.layers import block_paths, find_layer

FLAT_AT_MOST = 0.1
"""Share of the images whose map may be flat."""


def deepest_telling(explainer: Explainer, cases: Sequence[Case]) -> Explainer:
    """The explainer at the deepest block at which at most a tenth of the maps is flat.

    The deepest level of a U-Net is where Seg-Grad-CAM is read by default. Where the skip connections carry the answer,
    that level may speak against the structure everywhere, and the maps are empty. No mask takes part in the choice.
    Where every block has too many flat maps, the explainer is returned as it is.

    Parameters
    ----------
    cases : images with their targets.
    """
    if explainer.layer is None or not cases:
        return explainer
    names = list(block_paths(explainer.model))
    side, channels = cases[0].pixels.shape[1:]
    probe = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    probe = probe.to(next(explainer.model.parameters()).device)
    for name in reversed(names[: names.index(explainer.layer.block) + 1]):
        tried = replace(explainer, layer=find_layer(explainer.model, probe, name))
        flat = sum(not tried.find(case).map.any() for case in cases)
        if flat <= FLAT_AT_MOST * len(cases):
            return tried
    return explainer
