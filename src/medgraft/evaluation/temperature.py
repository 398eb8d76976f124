"""Temperature scaling: one number that brings a model's confidence to what validation images bear out.

Logits z are divided by T before they become probabilities, with T chosen to make the negative log-likelihood of the
truth least (Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2). The order of classes stays, so no
decision at a threshold of 0.5, or for the most probable class, changes.

The negative log-likelihood is convex in 1 / T, so there is one least value, and its derivative finds it. Two limits:

- T is from 1/20 to 20. Where logits point the wrong way, no T but an endless one is best, and the bound is taken.
- Where every image's truth has the largest logit, an ever smaller T is ever better, without evidence for it. Then T
  goes down only until the mean probability of the truth is (n + 1) / (n + 2), the rule of succession's estimate after
  n successes in n trials (Laplace 1774), and is 1 where that is reached already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_expit, log_softmax

from medgraft.data.labels import Kind
from medgraft.errors import DataError
from medgraft.evaluation.forecasts import HALF_A_STEP, outcomes_of, truth_flags

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LARGEST = 20.0
"""The largest temperature; 1 / 20 is the smallest."""

# The smallest normal float32: a probability below it was written as 0.
NOTHING = 2.0**-126


@dataclass(frozen=True)
class TemperatureFit:
    """A temperature, and what it does on the images that it was fitted on.

    Attributes
    ----------
    temperature : logits are divided by it.
    before, after : mean negative log-likelihood (nats) of the truth on these images, at 1 and at the temperature; never
        more after than before.
    n : how many images (or pixels).
    note : a sentence where the temperature is not that of the least loss; empty otherwise.
    """

    temperature: float
    before: float
    after: float
    n: int
    note: str = ""

    def __float__(self) -> float:
        return self.temperature


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike, kind: Kind) -> float:
    """Return the temperature that suits these probabilities best; see :func:`temperature_of_probabilities`."""
    return temperature_of_probabilities(probabilities, truth, kind).temperature


def temperature_of_probabilities(probabilities: ArrayLike, truth: ArrayLike, kind: Kind) -> TemperatureFit:
    """Fit a temperature to probabilities, whose logarithms are logits up to a constant.

    Where they were made with a temperature already, the one that is found divides on top of it: the model's new one is
    the product of both. Give it validation images; on test images it would be fitted to what it is judged on.

    Parameters
    ----------
    probabilities, truth, kind : as for :func:`~medgraft.evaluation.forecasts.outcomes_of`.

    Raises
    ------
    DataError
        As :func:`temperature_of_logits` does, and for values that are no probabilities.
    """
    outcomes_of(probabilities, truth, kind)
    return temperature_of_logits(logits_of(probabilities, kind), truth, kind)


def temperature_of_logits(logits: ArrayLike, truth: ArrayLike, kind: Kind) -> TemperatureFit:
    """Fit a temperature to logits (see the module's text for how, and for its limits).

    Parameters
    ----------
    logits : ``binary``: [N], [N, 1] or [N, 2]; else [N, C]. One temperature is fitted to all columns.
    truth, kind : as for :func:`~medgraft.evaluation.forecasts.outcomes_of`.

    Raises
    ------
    DataError
        If shapes do not fit, a value is not finite, or all images are of one class (of several labels: all have all, or
        none has any): then confidence cannot be told from frequency.
    """
    margins = _Margins(logits, truth, kind)
    before = margins.loss(1.0)
    if margins.all_right:
        slope, note = margins.cautious()
    else:
        slope, note = _least(margins.derivative)
    after = margins.loss(slope)
    if after >= before:
        # Nothing gained beyond rounding.
        return TemperatureFit(1.0, before, before, margins.n, note)
    return TemperatureFit(1 / slope, before, after, margins.n, note)


def apply_temperature(probabilities: ArrayLike, temperature: float, kind: Kind) -> Floats:
    """Return probabilities as they would be had their logits been divided by ``temperature``.

    Parameters
    ----------
    probabilities : as for :func:`~medgraft.evaluation.forecasts.outcomes_of`; the result has the same shape.

    Raises
    ------
    DataError
        If the temperature is not above 0.
    """
    if not 0 < temperature < np.inf:
        raise DataError(f"a temperature is a number above 0 (got {temperature}).")
    shape = np.shape(probabilities)
    logits = logits_of(probabilities, kind) / temperature
    if kind == "multiclass":
        return np.asarray(np.exp(log_softmax(logits, axis=1)))
    if kind == "binary" and len(shape) == 2:
        return np.asarray(np.exp(np.stack([log_expit(-logits), log_expit(logits)], axis=1)))
    return np.asarray(np.exp(log_expit(logits)))


def logits_of(probabilities: ArrayLike, kind: Kind) -> Floats:
    """Return logits that give these probabilities: [N] of the positive class (``binary``), else [N, C].

    A probability that was rounded to 0 or 1 gets the logit of the number that float32 would have kept.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if kind == "multiclass" or (kind == "binary" and shares.ndim == 2):
        logs = np.log(np.maximum(shares, NOTHING))
        return logs if kind == "multiclass" else np.asarray(logs[:, 1] - logs[:, 0])
    return np.asarray(np.log(np.maximum(shares, NOTHING)) - np.log(np.maximum(1 - shares, HALF_A_STEP)))


class _Margins:
    """How the truth's logit stands to the others, and the loss as a function of the slope 1 / T."""

    def __init__(self, logits: ArrayLike, truth: ArrayLike, kind: Kind) -> None:
        values = _checked(logits, kind)
        flags = truth_flags(truth, (len(values), 2) if kind == "binary" else values.shape, kind)
        _refuse_one_class(flags, kind)
        self.n = len(flags)
        if kind == "multiclass":
            # [N, C], 0 in the truth's own column.
            self._below = values - values[flags][:, None]
        else:
            signs = np.where(flags[:, 1:] if kind == "binary" else flags, 1.0, -1.0)
            self._below = -(signs * values.reshape(signs.shape)).reshape(-1, 1)
        self._single = kind != "multiclass"

    @property
    def all_right(self) -> bool:
        """Whether no image's truth is beaten by another class."""
        return bool(self._below.max() <= 0)

    def loss(self, slope: float) -> float:
        """Mean negative log-likelihood at this slope."""
        return float(-self._logs(slope).mean())

    def derivative(self, slope: float) -> float:
        """Of the loss, by the slope."""
        if self._single:
            return float((self._below * np.exp(log_expit(slope * self._below))).mean())
        shares = np.exp(log_softmax(slope * self._below, axis=1))
        return float((shares * self._below).sum(axis=1).mean())

    def cautious(self) -> tuple[float, str]:
        """The slope at which the mean probability of the truth is (n + 1) / (n + 2), and a sentence on it."""
        wanted = (self.n + 1) / (self.n + 2)

        def lacking(slope: float) -> float:
            return float(np.exp(self._logs(slope)).mean()) - wanted

        note = (
            f"all {self.n} were told right, so an ever smaller temperature would fit ever better; it is taken no lower "
            f"than a mean confidence of {wanted:.3f} bears out."
        )
        if lacking(1.0) >= 0:
            return 1.0, note
        if lacking(LARGEST) <= 0:
            return LARGEST, note
        return float(brentq(lacking, 1.0, LARGEST, xtol=1e-12)), note

    def _logs(self, slope: float) -> Floats:
        """[N], the logarithm of the probability that the truth is given."""
        if self._single:
            return np.asarray(log_expit(-slope * self._below[:, 0]))
        return np.asarray(-np.logaddexp.reduce(slope * self._below, axis=1))


def _least(derivative: Callable[[float], float]) -> tuple[float, str]:
    """The slope of the least loss within bounds, and a sentence where a bound is taken."""
    low, high = 1 / LARGEST, LARGEST
    if derivative(low) >= 0:
        return low, f"the largest temperature, {LARGEST:g}, is taken: the model's confidence says nothing of the truth."
    if derivative(high) <= 0:
        return high, f"the smallest temperature, {1 / LARGEST:g}, is taken."
    return float(brentq(derivative, low, high, xtol=1e-12)), ""


def _checked(logits: ArrayLike, kind: Kind) -> Floats:
    values = np.asarray(logits, dtype=np.float64)
    if kind == "binary" and values.ndim == 2 and values.shape[1] in (1, 2):
        values = values[:, -1] - (values[:, 0] if values.shape[1] == 2 else 0)
    if values.ndim != (1 if kind == "binary" else 2):
        raise DataError(f"logits of a {kind} task are " + ("[N]" if kind == "binary" else "[N, C]") + ".")
    if not np.isfinite(values).all():
        raise DataError(f"{int((~np.isfinite(values)).sum())} logits are undefined (NaN) or infinite.")
    return values


def _refuse_one_class(flags: Flags, kind: Kind) -> None:
    several = flags.any() and not flags.all() if kind == "multilabel" else flags.any(axis=0).sum() > 1
    if not several:
        what = "have the same labels, all or none" if kind == "multilabel" else "are of one class"
        raise DataError(
            f"all {len(flags)} images {what}: a temperature cannot be fitted; keep 1, or fit it on images of several."
        )
