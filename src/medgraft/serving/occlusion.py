"""Which parts of an image a model's answer rests on, found by covering them one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.prediction import Array

CELLS = 12
"""The image is cut into 12 x 12 cells; a patch covers 2 x 2 of them and moves by one, so there are 11 x 11 patches."""

Floats = npt.NDArray[np.float32]
Score = Callable[[Array], Floats]


def occlusion_map(image: Array, score: Score, cells: int = CELLS, batch: int = 16) -> Floats:
    """How much the score falls where a part of the image is covered (after Zeiler & Fergus 2014, arXiv:1311.2901).

    Each patch takes the mean colour of the whole image. A pixel's value is the mean fall over the patches that
    cover it: above 0 where the image speaks for the class, below 0 where it speaks against it.

    Parameters
    ----------
    image : [H, W, C], at the size that the model works on.
    score : from images [B, H, W, C] to how much each speaks for the class, [B].
    cells : cells a side, at least 2.
    batch : covered images that are scored at once.

    Returns
    -------
    float32 [H, W], bilinear between the middles of the cells.
    """
    height, width = image.shape[:2]
    rows, columns = (np.linspace(0, side, cells + 1).round().astype(int) for side in (height, width))
    patches = [(i, j) for i in range(cells - 1) for j in range(cells - 1)]
    whole = float(score(image[None])[0])
    falls, covers = np.zeros((cells, cells), np.float32), np.zeros((cells, cells), np.float32)
    scores = np.concatenate([score(covered) for covered in _covered(image, patches, rows, columns, batch)])
    for (i, j), found in zip(patches, scores, strict=True):
        falls[i : i + 2, j : j + 2] += whole - float(found)
        covers[i : i + 2, j : j + 2] += 1
    return np.asarray(cv2.resize(falls / covers, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _covered(image: Array, patches: list[tuple[int, int]], rows: Array, columns: Array, batch: int) -> Iterator[Array]:
    mean = image.mean(axis=(0, 1)).round().astype(image.dtype)
    for start in range(0, len(patches), batch):
        part = patches[start : start + batch]
        images = np.repeat(image[None], len(part), axis=0)
        for each, (i, j) in zip(images, part, strict=True):
            each[rows[i] : rows[i + 2], columns[j] : columns[j + 2]] = mean
        yield images
