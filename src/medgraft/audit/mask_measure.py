"""The figures of one mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.alignment import alignment
from medgraft.audit.digest import pixel_digest
from medgraft.audit.facts import MaskFacts

KEPT = 32
"""Different values of a mask that are kept; one with more was saved with losses, or is no mask."""


def measure_mask(mask: npt.NDArray[Any], grey: npt.NDArray[Any] | None) -> MaskFacts:
    """Return the facts of a mask [H, W] of integers.

    Parameters
    ----------
    mask : as stored.
    grey : [H, W], luminance of its image, which may have another size; None where the image cannot be read.
    """
    values, counts = _values(mask)
    foreground = mask != 0
    same = grey is not None and grey.shape == mask.shape
    facts = MaskFacts(
        height=mask.shape[0],
        width=mask.shape[1],
        same_size=same,
        values=tuple(values[:KEPT]),
        value_count=len(values),
        foreground=1.0 - counts.get(0, 0) / max(1, mask.size),
        top=bool(foreground[0].any()),
        bottom=bool(foreground[-1].any()),
        left=bool(foreground[:, 0].any()),
        right=bool(foreground[:, -1].any()),
        digest=pixel_digest(mask),
    )
    if grey is None or not same:
        return facts
    fitted = alignment(grey, foreground)
    return replace(facts, fit=fitted.fit, better=fitted.better, better_fit=fitted.better_fit)


def _values(mask: npt.NDArray[Any]) -> tuple[list[int], dict[int, int]]:
    """The values in ascending order, and how often each is there."""
    if mask.dtype == np.uint8:
        counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(mask, return_counts=True)
    return values.tolist(), dict(zip(values.tolist(), counts.tolist(), strict=True))
