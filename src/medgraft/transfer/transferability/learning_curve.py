"""A learning curve: the probe on ever more of the patients, so that one sees whether more data still helps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.folds import nested_ranks
from medgraft.transfer.transferability.labelled import Codes, LabelledFeatures
from medgraft.transfer.transferability.probe import OutOfFold, probe

SHARES = (1 / 8, 1 / 4, 1 / 2)
REPEATS = 3
LEAST_OF_CLASS = 4
"""Groups of the rarest class that a subset is to have, in expectation; smaller shares are left out."""


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """The probe where it learns from a part of the patients.

    Attributes
    ----------
    share : of all patients, by which a model could learn from those outside its fold.
    images, groups : how many a model has learnt from, on average.
    repeats : what each image is said to be, for each of several draws of the part.
    """

    share: float
    images: float
    groups: float
    repeats: tuple[OutOfFold, ...]


def learning_curve(data: LabelledFeatures, folds: Codes, whole: OutOfFold, seed: int = 0) -> tuple[CurvePoint, ...]:
    """Cross-validate the probe on nested parts of the patients; all images are tested at every point.

    In each repeat the patients are put in an order, and a part is the beginning of it, by class: what is learnt from
    at an eighth is among what is learnt from at a quarter. The penalty is chosen anew at each point. Points whose
    rarest class would have fewer than :data:`LEAST_OF_CLASS` groups are left out, so the last may be the only one.

    Parameters
    ----------
    whole : the probe on all, which is the last point.
    """
    least = _groups_of_rarest(data)
    shares = [share for share in SHARES if share * least >= LEAST_OF_CLASS]
    ranks = [nested_ranks(data, folds, seed=(seed + 1) * 1000 + repeat) for repeat in range(REPEATS)]
    points = []
    for share in shares:
        parts = [rank <= share for rank in ranks]
        images, groups = _sizes(data, folds, parts)
        points.append(CurvePoint(share, images, groups, tuple(probe(data, folds, part) for part in parts)))
    everything = np.ones(len(data), bool)
    return (*points, CurvePoint(1.0, *_sizes(data, folds, [everything]), (whole,)))


def _groups_of_rarest(data: LabelledFeatures) -> int:
    """How many groups have the class that fewest have; of several labels, or lack it."""
    presence = data.presence
    counts = [len(np.unique(data.groups[column > 0])) for column in presence.T]
    if data.kind == "multilabel":
        counts += [len(np.unique(data.groups[column == 0])) for column in presence.T]
    return min(counts)


def _sizes(data: LabelledFeatures, folds: Codes, parts: list[npt.NDArray[np.bool_]]) -> tuple[float, float]:
    """Mean number of images and groups that a model learns from."""
    count = int(folds.max()) + 1
    learnt = [part & (folds != fold) for part in parts for fold in range(count)]
    images = float(np.mean([chosen.sum() for chosen in learnt]))
    return images, float(np.mean([len(np.unique(data.groups[chosen])) for chosen in learnt]))
