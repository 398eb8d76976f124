"""Masks: the cells of a feature map as what the probe learns from, each with the class of the mask under it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.losses import LabelKind
from medgraft.transfer.transferability.labelled import FloatArray, LabelledFeatures

CELLS = 24
"""Cells taken of each image, at most: as many of each class as there are, in equal parts."""


def labelled_cells(
    maps: FloatArray,
    masks: npt.NDArray[np.uint8],
    groups: npt.NDArray[Any] | None,
    count: int,
    seed: int = 0,
    cells: int = CELLS,
) -> LabelledFeatures:
    """Sample cells of feature maps, with the class that most mask pixels under each have.

    Cells of an image belong together: without groups every image is a group of its own. Classes are sampled in equal
    parts within an image, so that a small structure has its say; an area under the ROC curve does not depend on how
    often a class occurs.

    Parameters
    ----------
    maps : [n, D, h, w], features of n images.
    masks : [n, S, S], class indices 0 to ``count`` - 1 at working size.
    groups : [n], the patient of each image, or None.
    seed : of the sample; image by image, so that the cells of an encoder and of its random twin are the same.

    Returns
    -------
    LabelledFeatures
        Of at most n x ``cells`` cells, [N, D].

    Raises
    ------
    DataError
        Where fewer than two classes are the majority of any cell in two groups or more.
    """
    n, depth, height, width = maps.shape
    classes = majority(masks, height, width, count)
    rows, places = [], []
    for row in range(n):
        chosen = _sample(classes[row].ravel(), cells, np.random.default_rng((seed, row)))
        rows.append(np.full(len(chosen), row))
        places.append(chosen)
    row_of, place = np.concatenate(rows), np.concatenate(places)
    features = maps.reshape(n, depth, height * width)[row_of, :, place]
    group_of = row_of if groups is None else np.asarray(groups)[row_of]
    kind: LabelKind = "binary" if count == 2 else "multiclass"
    return LabelledFeatures.of(features, classes.reshape(n, -1)[row_of, place], group_of, kind, count)


def majority(masks: npt.NDArray[np.uint8], height: int, width: int, count: int) -> npt.NDArray[np.int64]:
    """The class that most pixels under each cell have, [n, height, width]; of equal parts the later class.

    A pixel belongs to the cell that its place falls in, whether or not the sides divide.
    """
    n, rows, columns = masks.shape
    down, across = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    cell = down[:, None] * width + across[None, :]
    votes = np.empty((n, height * width, count), np.int64)
    for image in range(n):
        index = cell.ravel() * count + masks[image].ravel()
        votes[image] = np.bincount(index, minlength=height * width * count).reshape(-1, count)
    # The later class is a structure, class 0 the ground.
    last = count - 1 - votes[:, :, ::-1].argmax(axis=2)
    return np.asarray(last.reshape(n, height, width), np.int64)


def _sample(classes: npt.NDArray[np.int64], cells: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places of at most ``cells`` cells; each class gives the same number, or all that it has."""
    present = np.unique(classes)
    each = max(1, cells // len(present))
    parts = [rng.permutation(np.flatnonzero(classes == c))[:each] for c in present]
    return np.concatenate(parts)
