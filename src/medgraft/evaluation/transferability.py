"""Intervals of what was measured of encoders, and how they compare: patients are drawn, all scores from the same draws.

Patients are drawn within folds, and areas under the ROC curve are those of :class:`FoldedMeasure`. The models are taken
as they are: an interval says how the score would vary with other patients to test on, not with others to learn from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medgraft.evaluation.folded import FoldedMeasure
from medgraft.evaluation.resampling import Bootstrap, Resampled, percentile_interval, resample
from medgraft.scores import Interval
from medgraft.transfer.transferability import CurvePoint, Measured, Probed

Floats = NDArray[np.float64]

SLIGHT = 0.01
"""A gain in AUC below this is not worth the labelling of as many images again."""


@dataclass(frozen=True)
class CurveScore:
    """The probe where it learnt from a part of the patients.

    Attributes
    ----------
    images, groups : how many a model learnt from, on average over folds and draws of the part.
    auc : mean over draws of the part; the interval is over patients and over these draws.
    spread : standard deviation over draws of the part; 0 for all patients, of which there is one draw.
    """

    images: float
    groups: float
    auc: Interval
    spread: float


@dataclass(frozen=True)
class Transferability:
    """How well an encoder's features suit a task. All AUC are means over classes, out of fold.

    Attributes
    ----------
    images, groups : that were measured on: images (of masks, cells of feature maps) and patients.
    probe : AUC of the linear probe.
    balanced_accuracy : of the probe.
    knn : AUC of the nearest neighbours.
    logme, nleep, hscore : higher is better, comparable between encoders on the same images only.
    random : AUC of the probe on the encoder with random weights.
    gain : by how much ``probe`` is above ``random``, paired: what reuse is worth.
    curve : the probe on ever more patients.
    doubling : what the last doubling of the patients gave the probe, paired; None where there is no such point.
    left_out : numbers of the classes that too few groups have to be measured.
    """

    images: int
    groups: int
    probe: Interval
    balanced_accuracy: Interval
    knn: Interval
    logme: float
    nleep: float
    hscore: float
    random: Interval
    gain: Interval
    curve: tuple[CurveScore, ...]
    doubling: Interval | None
    left_out: tuple[int, ...] = ()

    @property
    def more_data(self) -> Literal["helps", "flat", "unclear"]:
        """Whether more patients would help, as the last doubling says.

        ``flat`` where a gain worth having (:data:`SLIGHT`) can be excluded, else ``helps`` where there was one beyond
        chance, else ``unclear``.
        """
        if self.doubling is None or math.isnan(self.doubling.low):
            return "unclear"
        if self.doubling.high < SLIGHT:
            return "flat"
        return "helps" if self.doubling.low > 0 else "unclear"

    def to_dict(self) -> dict[str, Any]:
        """Plain types, with None for what is undefined."""
        plain: dict[str, Any] = _defined(asdict(self) | {"more_data": self.more_data})
        return plain


def judge(measured: Measured, twin: Probed, bootstrap: Bootstrap | None = None) -> Transferability:
    """Give what was measured its intervals.

    Parameters
    ----------
    twin : the same images through the encoder with random weights.
    bootstrap : how patients are drawn.

    Raises
    ------
    ValueError
        Where the twin's images are others.
    """
    bootstrap, data = bootstrap or Bootstrap(), measured.data
    half = next((point for point in measured.curve if point.share == 1 / 2), None)
    repeats = [repeat.probabilities for point in measured.curve[:-1] for repeat in point.repeats]
    measures = [_measure(measured), FoldedMeasure(measured, measured.knn), _measure(twin)]
    measures += [FoldedMeasure(measured, probabilities) for probabilities in repeats]
    probe, knn, random, *others = _resampled(measures, measured, twin, bootstrap)
    of_point: dict[float, list[Resampled]] = {1.0: [probe]}
    for point in measured.curve[:-1]:
        of_point[point.share], others = others[: len(point.repeats)], others[len(point.repeats) :]
    n = len(data)
    return Transferability(
        n,
        data.group_count,
        probe.interval("auc", n),
        probe.interval("balanced_accuracy", n),
        knn.interval("auc", n),
        measured.logme,
        measured.nleep,
        measured.hscore,
        random.interval("auc", n),
        probe.minus(random, "auc", n),
        tuple(_score(point, of_point[point.share], n, bootstrap) for point in measured.curve),
        None if half is None else _doubling(probe, of_point[half.share], n, bootstrap),
        data.left_out,
    )


def difference(first: Probed, second: Probed, bootstrap: Bootstrap | None = None) -> Interval:
    """Return by how much the probe's AUC is higher on the first encoder, with its paired interval.

    Raises ValueError where the two were not measured on the same patients.
    """
    bootstrap = bootstrap or Bootstrap()
    one, other = _resampled([_measure(first), _measure(second)], first, second, bootstrap)
    return one.minus(other, "auc", len(first.data))


def _measure(probed: Probed) -> FoldedMeasure:
    return FoldedMeasure(probed, probed.probe.probabilities)


def _resampled(
    measures: Sequence[FoldedMeasure], first: Probed, second: Probed, bootstrap: Bootstrap
) -> list[Resampled]:
    """Scores on the same draws of groups, within folds where both have the same."""
    if first.data.group_count != second.data.group_count:
        raise ValueError("the same groups are wanted, to be compared")
    folds, others = _fold_of_group(first), _fold_of_group(second)
    strata = folds if np.array_equal(folds, others) else np.zeros_like(folds)
    return resample(measures, strata, bootstrap)


def _fold_of_group(probed: Probed) -> NDArray[np.int64]:
    found = np.zeros(probed.data.group_count, np.int64)
    found[probed.data.groups] = probed.folds
    return found


def _score(point: CurvePoint, repeats: Sequence[Resampled], n: int, bootstrap: Bootstrap) -> CurveScore:
    values = np.array([repeat.values["auc"] for repeat in repeats])
    interval = percentile_interval(float(values.mean()), _drawn(repeats, bootstrap.seed), n, bootstrap.level)
    return CurveScore(point.images, point.groups, interval, float(values.std(ddof=1)) if len(values) > 1 else 0.0)


def _doubling(whole: Resampled, half: Sequence[Resampled], n: int, bootstrap: Bootstrap) -> Interval:
    value = whole.values["auc"] - float(np.mean([repeat.values["auc"] for repeat in half]))
    draws = whole.draws["auc"] - _drawn(half, bootstrap.seed)
    return percentile_interval(value, draws, n, bootstrap.level)


def _drawn(repeats: Sequence[Resampled], seed: int) -> Floats:
    """Mean AUC over repeats in each draw, with the repeats drawn too: other halves would have given other values."""
    table = np.stack([repeat.draws["auc"] for repeat in repeats])
    chosen = np.random.default_rng((seed, len(repeats))).integers(len(repeats), size=(len(repeats), table.shape[1]))
    return np.asarray(np.take_along_axis(table, chosen, axis=0).mean(axis=0))


def _defined(value: Any) -> Any:
    """The same with None for what is undefined, as JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
