"""The threshold from which a pixel is foreground, chosen by the mean Dice of whole images, from counts alone.

No probability has to be kept: of each image it is counted how many pixels, and how many of the structure, reach each of
99 thresholds (0.01, 0.02, ... 0.99). That is under 1 kB an image, and Dice at each of these thresholds is exact: counts
are taken at the mask's own size, with the comparison that decides a mask (float32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.errors import DataError, RecipeError, counted
from medgraft.evaluation.intervals import bootstrap_mean, paired_difference
from medgraft.evaluation.operating_point import FEW, ROUNDING, OperatingPoint
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.threshold_rule import FIXED, MASK_RULES, ThresholdRule
from medgraft.scores import Interval

Floats = NDArray[np.float64]
Counts = NDArray[np.uint32]

GRID: tuple[float, ...] = tuple(step / 100 for step in range(1, 100))
USUAL = 0.5


class PixelCounts:
    """How many pixels reach each threshold, image by image.

    Parameters
    ----------
    thresholds : rising, between 0 and 1; 0.01 to 0.99 in steps of 0.01 unless told.
    """

    def __init__(self, thresholds: Sequence[float] = GRID) -> None:
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        if len(thresholds) < 1 or (np.diff(self.thresholds) <= 0).any() or not 0 < thresholds[0] <= thresholds[-1] < 1:
            raise ValueError("rising thresholds between 0 and 1 are wanted")
        self._edges = self.thresholds.astype(np.float32)
        self._given: list[Counts] = []
        self._hits: list[Counts] = []
        self._sizes: list[tuple[int, int]] = []
        self._groups: list[Any] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, probability: ArrayLike, truth: ArrayLike, group: Any = None) -> None:
        """Count the pixels of one image.

        Parameters
        ----------
        probability : of the foreground, [H, W], at the mask's own size.
        truth : [H, W], not 0 where the structure is.
        group : the image's patient; None where it stands for itself.

        Raises
        ------
        DataError
            If shapes differ.
        """
        shares, mask = np.asarray(probability, dtype=np.float32), np.asarray(truth) != 0
        if shares.shape != mask.shape or mask.ndim != 2 or not mask.size:
            raise DataError(
                f"a probability and a mask [H, W] of one size are wanted (got {list(shares.shape)} and "
                f"{list(mask.shape)}); of several structures the most probable is taken, without a threshold."
            )
        # How many thresholds each pixel reaches; foreground pixels in bins of their own, so that one count does both.
        reached = np.searchsorted(self._edges, shares.ravel(), side="right")
        count = len(self._edges) + 1
        found = np.bincount(reached + count * mask.ravel(), minlength=2 * count).reshape(2, count)
        from_top = found[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        self._given.append(from_top.sum(axis=0).astype(np.uint32))
        self._hits.append(from_top[1].astype(np.uint32))
        self._sizes.append((int(mask.sum()), mask.size))
        self._groups.append(group)

    def dice(self) -> Floats:
        """Return the Dice of each image at each threshold, [N, thresholds]; both empty is 1, as everywhere."""
        given, hits, there, _ = self._table()
        total = given + there
        return np.divide(2 * hits, total, out=np.ones_like(total), where=total > 0)

    def rates(self) -> dict[str, Floats]:
        """Return sensitivity and specificity of each image at each threshold, [N, thresholds]; NaN where undefined."""
        given, hits, there, size = self._table()
        absent = size - there
        return {"sensitivity": _ratio(hits, there), "specificity": _ratio(absent - (given - hits), absent)}

    @property
    def groups(self) -> list[Any]:
        """The patient of each image, None where none was given."""
        return list(self._groups)

    def _table(self) -> tuple[Floats, Floats, Floats, Floats]:
        if not self._sizes:
            raise DataError("a threshold for masks is chosen on validation images; there is none.")
        sizes = np.asarray(self._sizes, dtype=np.float64)
        given, hits = np.stack(self._given).astype(np.float64), np.stack(self._hits).astype(np.float64)
        return given, hits, np.broadcast_to(sizes[:, :1], given.shape), np.broadcast_to(sizes[:, 1:], given.shape)


def choose_mask_threshold(
    counts: PixelCounts, rule: str | float | ThresholdRule = "dice", bootstrap: Bootstrap | None = None
) -> OperatingPoint:
    """Choose the threshold of a mask on validation images.

    Parameters
    ----------
    counts : of the validation images.
    rule : ``dice``: the threshold of the largest mean Dice over images. Of several that are as good, the middle of the
        widest stretch of them. Or a number, which is taken to the nearest threshold that was counted for its scores.
    bootstrap : of the intervals; 2,000 resamples unless told.

    Returns
    -------
    OperatingPoint
        With mean ``dice``, ``sensitivity`` and ``specificity`` of an image, and, where 0.5 was counted, ``dice_at_0.5``
        and ``gain``, the paired difference to it. ``low`` and ``high`` are the ends of the stretch, both included.

    Raises
    ------
    RecipeError
        If the rule is none, or none for masks.
    DataError
        If there is no image.
    """
    chosen = rule if isinstance(rule, ThresholdRule) else ThresholdRule.parse(rule)
    dice, grid = counts.dice(), counts.thresholds
    if chosen.name == FIXED:
        assert chosen.wanted is not None
        low = high = threshold = chosen.wanted
        index = int(np.abs(grid - threshold).argmin())
    elif chosen.name in MASK_RULES:
        first, last = _widest(dice.mean(axis=0))
        index = (first + last) // 2
        low, high, threshold = float(grid[first]), float(grid[last]), float(grid[index])
    else:
        raise RecipeError(f"the rule {chosen} is for labels; for masks give dice, or a number between 0 and 1.")
    scores = _scores(counts, dice, index, bootstrap or Bootstrap())
    few = (f"the threshold rests on {counted(len(counts), 'image')}.",) if len(counts) < FEW else ()
    return OperatingPoint(str(chosen), threshold, low, high, len(counts), scores, few)


def _scores(counts: PixelCounts, dice: Floats, index: int, bootstrap: Bootstrap) -> dict[str, Interval]:
    options = counts.groups, bootstrap.samples, bootstrap.level, bootstrap.seed
    columns = {"dice": dice, **counts.rates()}
    scores = {name: bootstrap_mean(values[:, index], *options) for name, values in columns.items()}
    usual = np.flatnonzero(np.isclose(counts.thresholds, USUAL, rtol=0, atol=ROUNDING))
    if len(usual):
        scores["dice_at_0.5"] = bootstrap_mean(dice[:, usual[0]], *options)
        scores["gain"] = paired_difference(dice[:, index], dice[:, usual[0]], *options).interval
    return scores


def _widest(criterion: Floats) -> tuple[int, int]:
    """First and last index of the longest run of largest values; of equally long ones the first."""
    best = np.flatnonzero(criterion >= criterion.max() - ROUNDING)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[0]), int(longest[-1])


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
