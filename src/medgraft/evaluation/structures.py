"""Which structures were found: the separate parts of a mask, matched one to one by how much they share.

A structure is a set of pixels of one class that touch each other, also at corners (8-connected), however small. One of
the truth and one of the prediction can be matched where their IoU is above a threshold; each is matched at most once,
so that as many as can be are matched, and of such ways the one with the largest sum of IoUs is taken. What is left is
missed, or extra.

====================  =========================================================  ==========  =========
score                 with n matches of t true and p predicted structures        none at all  otherwise
====================  =========================================================  ==========  =========
structure_f1          2 n / (t + p), matched above an IoU of 0.5                 1           0 to 1
loose_structure_f1    the same above an IoU of 0.1: found, if badly outlined     1           0 to 1
panoptic_quality      sum of the IoUs of the n matches / ((t + p) / 2), at 0.5   1           0 to 1
====================  =========================================================  ==========  =========

A missed structure and an extra one lower each of them; an image where all are missed scores 0.

References
----------
Kirillov et al. (2019), Panoptic segmentation, CVPR, section 4 (the quality; above an IoU of 0.5 matches are unique).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]

FOUND = 0.5
TOUCHED = 0.1

# Up to this many pairs of structures are counted in a table of all pairs, which is faster than sorting.
_TABLE = 1_000_000


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The structures of two masks and which of them share pixels.

    Attributes
    ----------
    true, predicted : how many there are.
    pairs : [K, 2], numbers (from 0) of a true and of a predicted structure that share pixels.
    iou : [K], of each pair.
    """

    true: int
    predicted: int
    pairs: NDArray[np.int64]
    iou: Floats

    def matches(self, threshold: float) -> NDArray[np.int64]:
        """Rows of ``pairs`` that are matched one to one, each with an IoU above ``threshold``, in order."""
        able = np.flatnonzero(self.iou > threshold)
        if not len(able):
            return able
        alone = np.logical_and(*(np.bincount(ends)[ends] == 1 for ends in self.pairs[able].T))
        matched = [able[alone], _best_matches(self.pairs, self.iou, able[~alone])]
        return np.sort(np.concatenate(matched))


def structures_of(mask: NDArray[np.bool_]) -> Labels:
    """Number the structures of a mask [H, W] from 1; 0 is no structure."""
    _, labels = cv2.connectedComponents(np.ascontiguousarray(mask, dtype=bool).view(np.uint8), connectivity=8)
    return np.asarray(labels)


def overlaps(prediction: Labels, truth: Labels) -> Overlaps:
    """Find which structures share pixels.

    Parameters
    ----------
    prediction, truth : [H, W], the number of each pixel's structure, 0 where there is none: from
        :func:`structures_of`, or drawn one by one (instances). A number that no pixel has is no structure.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"two images of one size are wanted (got {prediction.shape} and {truth.shape})")
    drawn, true = _counted(prediction), _counted(truth)
    both = (prediction > 0) & (truth > 0)
    width = len(drawn)
    codes = truth[both].astype(np.int64) * width + prediction[both]
    if len(true) * width <= _TABLE:
        table = np.bincount(codes, minlength=1)
        found = np.flatnonzero(table)
        shared = table[found]
    else:
        found, shared = np.unique(codes, return_counts=True)
    pairs = np.stack([found // width, found % width], axis=1)
    iou = shared / (true[pairs[:, 0]] + drawn[pairs[:, 1]] - shared)
    return Overlaps(int(np.count_nonzero(true[1:])), int(np.count_nonzero(drawn[1:])), pairs - 1, iou)


@dataclass(frozen=True)
class Structures:
    """How many structures two masks have, and how many of them match.

    Attributes
    ----------
    true, predicted : structures of the truth and of the prediction.
    found, touched : matches above an IoU of :data:`FOUND`, and above one of :data:`TOUCHED`.
    shared : the sum of the IoUs of those found.
    """

    true: int
    predicted: int
    found: int
    touched: int
    shared: float

    @classmethod
    def of(cls, prediction: Labels, truth: Labels) -> Structures:
        """Match the structures of two images of numbers; see :func:`overlaps`."""
        pairs = overlaps(prediction, truth)
        found, touched = pairs.matches(FOUND), pairs.matches(TOUCHED)
        return cls(pairs.true, pairs.predicted, len(found), len(touched), float(pairs.iou[found].sum()))

    @property
    def missed(self) -> int:
        """True structures that were not found."""
        return self.true - self.found

    @property
    def extra(self) -> int:
        """Predicted structures that are none of the true ones."""
        return self.predicted - self.found

    def scores(self) -> dict[str, float]:
        """The scores of the module's table."""
        average = (self.true + self.predicted) / 2
        if not average:
            return {"structure_f1": 1.0, "loose_structure_f1": 1.0, "panoptic_quality": 1.0}
        return {
            "structure_f1": self.found / average,
            "loose_structure_f1": self.touched / average,
            "panoptic_quality": self.shared / average,
        }


def _counted(labels: Labels) -> NDArray[np.int64]:
    """Pixels of each number, the one of 0 first."""
    return np.bincount(labels.ravel(), minlength=1)


def _best_matches(pairs: NDArray[np.int64], iou: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those ``rows`` that match most structures, by the Hungarian method in each set that hangs together."""
    if not len(rows):
        return rows
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = [np.unique(pairs[rows, side], return_inverse=True) for side in (0, 1)]
    (first, one), (second, other) = ends
    nodes = len(first) + len(second)
    graph = coo_array((np.ones(len(rows)), (one, len(first) + other)), shape=(nodes, nodes))
    _, sets = connected_components(graph, directed=False)
    chosen = []
    for part in np.split(np.argsort(sets[one], kind="stable"), np.cumsum(np.bincount(sets[one]))[:-1]):
        (_, up), (_, across) = (np.unique(numbers[part], return_inverse=True) for numbers in (one, other))
        gain = np.zeros((up.max() + 1, across.max() + 1))
        # One more match outweighs whatever can be won in IoU.
        gain[up, across] = 1 + iou[rows[part]] / (len(part) + 1)
        best = linear_sum_assignment(gain, maximize=True)
        matched = np.zeros(gain.shape, dtype=bool)
        matched[best] = True
        chosen.append(rows[part[matched[up, across]]])
    return np.concatenate(chosen)
