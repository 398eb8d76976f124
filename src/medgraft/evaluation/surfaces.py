"""How far apart two outlines lie: Hausdorff distance, average surface distance and boundary Dice.

An outline is made of the pixels of a mask that touch what is not in it, above, below, left or right; beyond the edge
of the image nothing is in it. A distance is between the centres of two such pixels: from each pixel of one outline to
the nearest of the other, in both directions.

===============  ====================================================================================================
hd95             the 95th percentile (linear between ranks) of the distances in each direction, and of both the larger
assd             average symmetric surface distance: the mean of the distances of both directions together
boundary_dice    of the pixels of both outlines, the share that has the other within a tolerance (surface Dice, NSD)
===============  ====================================================================================================

What happens on empty masks; a miss is the worst that an image allows, and never undefined:

=========================  ====================  =============
truth / prediction         hd95, assd            boundary_dice
=========================  ====================  =============
both empty                 0                     1
truth empty, blob          the image's diagonal  0
structure, missed          the image's diagonal  0
=========================  ====================  =============

The diagonal is longer than any distance between two pixels of the image, so no answer scores as badly as none.

References
----------
Nikolov et al. (2018), Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
radiotherapy, arXiv:1809.04430 (boundary Dice; here a pixel of an outline counts as one, whatever its length).
Heimann et al. (2009), Comparison and evaluation of methods for liver segmentation from CT datasets (assd).
Podobnik & Vrtovec (2024), Metrics revolutions, arXiv:2410.02630 (programs differ in what they make of these names).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, float]
Floats = NDArray[np.float64]

TOLERANCE = 2.0
"""Within this many pixels, or mm, two outlines are taken for the same."""

PIXELS: Spacing = (1.0, 1.0)

_PERCENTILE = 95
# A tree of the pixels of outlines is faster than a transform of all pixels where they are fewer than one in so many.
_SPARSE = 6
_NEIGHBOURS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# A distance that is the tolerance exactly may come out a little above it, as 0.1 is no sum of powers of two.
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class SurfaceScores:
    """How far two outlines lie apart; the distances are in the unit of the spacing."""

    hd95: float
    assd: float
    boundary_dice: float


def surface_scores(
    prediction: Mask, truth: Mask, spacing: Spacing = PIXELS, tolerance: float = TOLERANCE
) -> SurfaceScores:
    """Compare the outlines of two masks; see the module for what each score is.

    Parameters
    ----------
    prediction, truth : [H, W], what belongs to the structure.
    spacing : the distance between two rows and that between two columns; (1, 1) gives distances in pixels.
    tolerance : of boundary Dice, in the unit of ``spacing``.

    Raises
    ------
    ValueError
        If shapes differ, or spacing or tolerance are not positive (the tolerance may be 0).
    """
    if prediction.shape != truth.shape or prediction.ndim != 2:
        raise ValueError(f"two masks [H, W] of one size are wanted (got {prediction.shape} and {truth.shape})")
    if not (min(spacing) > 0 and tolerance >= 0 and math.isfinite(sum(spacing))):
        raise ValueError(f"a spacing above 0 and a tolerance from 0 are wanted (got {spacing}, {tolerance})")
    drawn, true = (np.ascontiguousarray(mask, dtype=bool).view(np.uint8) for mask in (prediction, truth))
    box = cv2.boundingRect(drawn | true)
    if not box[2]:
        return SurfaceScores(0.0, 0.0, 1.0)
    if not (drawn.any() and true.any()):
        diagonal = math.hypot(truth.shape[0] * spacing[0], truth.shape[1] * spacing[1])
        return SurfaceScores(diagonal, diagonal, 0.0)
    left, top, width, height = box
    box_of = np.s_[top : top + height, left : left + width]
    return _compared(_outline(drawn[box_of]), _outline(true[box_of]), spacing, tolerance)


def _compared(drawn: NDArray[Any], true: NDArray[Any], spacing: Spacing, tolerance: float) -> SurfaceScores:
    """Scores of two outlines, neither of them empty."""
    there, back = _distances(drawn, true, spacing), _distances(true, drawn, spacing)
    count = len(there) + len(back)
    within = sum(int(np.count_nonzero(found <= tolerance * _ROUNDING)) for found in (there, back))
    return SurfaceScores(
        hd95=max(float(np.percentile(found, _PERCENTILE)) for found in (there, back)),
        assd=float(there.sum() + back.sum()) / count,
        boundary_dice=within / count,
    )


def _outline(mask: NDArray[Any]) -> NDArray[Any]:
    """[H, W] uint8, 1 on the outline."""
    inside = cv2.erode(mask, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return np.asarray(mask - inside)


def _distances(source: NDArray[Any], target: NDArray[Any], spacing: Spacing) -> Floats:
    """[N], from each pixel of the outline ``source`` to the nearest one of ``target``."""
    if _SPARSE * (np.count_nonzero(source) + np.count_nonzero(target)) < target.size:
        from scipy.spatial import KDTree

        tree = KDTree(_places(target, spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
        return np.asarray(tree.query(_places(source, spacing))[0], dtype=np.float64)
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(1 - target, sampling=spacing)[source > 0], dtype=np.float64)


def _places(outline: NDArray[Any], spacing: Spacing) -> Floats:
    """[N, 2], row and column of each pixel, in the unit of the spacing."""
    return np.asarray(cv2.findNonZero(outline).reshape(-1, 2)[:, ::-1] * np.array(spacing))
