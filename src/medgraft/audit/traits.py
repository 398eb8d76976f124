"""What of an image is not anatomy: how its file was made, its frame, and its rough distribution of light.

The traits are prepared so that a linear rule can follow a bent or stepped dependence on one of them: each becomes its
rank and, where it has few values, an indicator of each value, else of each eighth of the images. Labels play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.audit.facts import Scan

Floats = npt.NDArray[np.float64]

_STEPS = 8
_LINES = 2  # of the features of writing, the first are no places


def traits(scan: Scan, family: str) -> Floats:
    """Return the traits of one of FAMILIES, [n, p] for the n images that were read; p is 0 where all are alike.

    Raises KeyError for another family.
    """
    return _TRAITS[family](scan)


def _file_size(scan: Scan) -> Floats:
    size = np.maximum(_numbers(scan, "bytes"), 1)
    return _stepped([size, size / (_numbers(scan, "height") * _numbers(scan, "width"))])


def _dimensions(scan: Scan) -> Floats:
    height, width = _numbers(scan, "height"), _numbers(scan, "width")
    return _stepped([height, width, width / height])


def _format(scan: Scan) -> Floats:
    images = scan.images[scan.readable]
    names = ("format", "channels", "bits", "grey")
    return _stepped([pd.factorize(images[name], sort=True)[0].astype(np.float64) for name in names])


def _border(scan: Scan) -> Floats:
    return _stepped(list(scan.edges[scan.readable].T))


def _layout(scan: Scan) -> Floats:
    return _unit(scan.layouts[scan.readable])


def _text(scan: Scan) -> Floats:
    found = scan.text[scan.readable]
    return np.hstack([_stepped(list(found[:, :_LINES].T)), _unit(np.sqrt(found[:, _LINES:]))])


_TRAITS: dict[str, Callable[[Scan], Floats]] = {
    "file size": _file_size,
    "dimensions": _dimensions,
    "format": _format,
    "border pixels": _border,
    "coarse layout": _layout,
    "burned-in text": _text,
}

FAMILIES: tuple[str, ...] = tuple(_TRAITS)


def _numbers(scan: Scan, name: str) -> Floats:
    return scan.images[name].to_numpy(np.float64)[scan.readable]


def _stepped(columns: Sequence[npt.NDArray[np.floating]]) -> Floats:
    """Ranks and steps of each column, [n, p], without columns that are constant."""
    parts = []
    for column in columns:
        rank = pd.Series(column).rank(pct=True).to_numpy()
        values, place = np.unique(rank, return_inverse=True)
        steps = place if len(values) <= _STEPS else np.minimum(rank * _STEPS, _STEPS - 1).astype(np.int64)
        parts.append(np.column_stack([rank, *(steps == step for step in np.unique(steps)[1:])]))
    return _unit(np.hstack(parts))


def _unit(columns: npt.NDArray[np.number]) -> Floats:
    """Columns at zero mean and unit spread; constant ones are left out."""
    values = columns.astype(np.float64)
    if not len(values):
        return values[:, :0]
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    return np.asarray(values[:, spread > 1e-9] / spread[spread > 1e-9])
