"""A linear head solved at once: logistic regression on stored features, its penalty chosen on validation images."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from medgraft.losses import LabelKind, LabelLoss

PENALTIES = tuple(float(10.0**exponent) for exponent in np.arange(-3, 2.5, 0.5))
"""Tried from the strongest to the weakest; a penalty is scikit-learn's 1 / C, on features of unit spread, as a share
of the number of images."""
ITERATIONS = 1000

FloatArray = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Attempt:
    """One penalty: the head that it gives, and its losses (cross-entropy, as the head will be used)."""

    penalty: float
    weight: FloatArray
    bias: FloatArray
    train_loss: float
    val_loss: float
    seconds: float


@dataclass(frozen=True)
class LinearProbe:
    """All attempts, strongest penalty first, and which was kept: the least loss on validation images.

    Without validation images it is the one whose penalty is nearest to :data:`DEFAULT_PENALTY`.
    """

    attempts: tuple[Attempt, ...]
    kept: int

    @property
    def best(self) -> Attempt:
        """The attempt that was kept."""
        return self.attempts[self.kept]

    def load_into(self, head: nn.Linear) -> None:
        """Give ``head`` the weights that were kept."""
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.best.weight))
            head.bias.copy_(torch.from_numpy(self.best.bias))


DEFAULT_PENALTY = 0.1


def solve(
    train: FloatArray,
    train_labels: Labels,
    val: FloatArray,
    val_labels: Labels,
    kind: LabelKind,
    count: int,
    weights: Tensor | None = None,
    penalties: Sequence[float] = PENALTIES,
) -> LinearProbe:
    """Fit logistic regression by L-BFGS for each penalty and keep the one with the least validation loss.

    Features are brought to zero mean and unit spread by the training images; that is folded into the weights, so the
    result is an ordinary linear layer. The penalty is on the weights for such features, not on the bias.

    Parameters
    ----------
    train, val : features [N, D] and [M, D]; M may be 0.
    train_labels, val_labels : [N] integer classes, or [N, C] of 0 and 1 where an image may have several.
    count : classes, C.
    weights : of classes, as :class:`~medgraft.losses.LabelLoss` takes them.

    Returns
    -------
    LinearProbe
        Each head has weight [1 or C, D] and bias [1 or C]. Of several labels, one that all training images have, or
        none has, is predicted by its smoothed log-odds alone.
    """
    scaler = StandardScaler().fit(train.astype(np.float64))
    scaled = scaler.transform(train.astype(np.float64))
    # The penalised solution lies in the span of the images, so with fewer images than features the search does too.
    basis = np.linalg.qr(scaled.T)[0] if len(scaled) < scaled.shape[1] else np.eye(scaled.shape[1])
    solver = _Solver(scaled @ basis, train_labels, kind, count, weights)
    loss = LabelLoss(kind, weights)
    attempts = []
    for penalty in sorted(penalties, reverse=True):
        start = time.perf_counter()
        weight, bias = solver.fit(penalty)
        weight = weight @ basis.T / scaler.scale_
        bias = bias - weight @ scaler.mean_
        head = weight.astype(np.float32), bias.astype(np.float32)
        on_train, on_val = (_loss(loss, x, y, *head) for x, y in ((train, train_labels), (val, val_labels)))
        attempts.append(Attempt(penalty, head[0], head[1], on_train, on_val, time.perf_counter() - start))
    return LinearProbe(tuple(attempts), _kept(attempts))


def _kept(attempts: Sequence[Attempt]) -> int:
    """Of equal losses the stronger penalty's, which stands first."""
    if np.isnan(attempts[0].val_loss):
        return int(np.argmin([abs(np.log(attempt.penalty / DEFAULT_PENALTY)) for attempt in attempts]))
    return int(np.argmin([attempt.val_loss for attempt in attempts]))


def _loss(loss: LabelLoss, features: FloatArray, labels: Labels, weight: FloatArray, bias: FloatArray) -> float:
    if not len(features):
        return float("nan")
    logits = torch.from_numpy(features @ weight.T + bias)
    return float(loss(logits, torch.from_numpy(labels)))


class _Solver:
    """Logistic regression that starts each penalty from the solution of the one before."""

    def __init__(
        self, features: npt.NDArray[np.float64], labels: Labels, kind: LabelKind, count: int, weights: Tensor | None
    ) -> None:
        self.features, self.labels, self.kind, self.count = features, labels, kind, count
        self.weights = None if weights is None else weights.double().numpy()
        columns = labels.T if kind == "multilabel" else [labels]
        self.models = [LogisticRegression(max_iter=ITERATIONS, warm_start=True) for _ in columns]

    def fit(self, penalty: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Weight [1 or C, D] and bias [1 or C] for scaled features."""
        columns = self.labels.T if self.kind == "multilabel" else [self.labels]
        parts = [self._one(i, column, penalty) for i, column in enumerate(columns)]
        weight, bias = (np.concatenate(part) for part in zip(*parts, strict=True))
        return weight, bias

    def _one(
        self, column: int, labels: Labels, penalty: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        if len(np.unique(labels)) == 1:
            return self._constant(labels)
        model = self.models[column]
        table = self.weights if self.weights is None or self.kind != "multilabel" else self.weights[:, column]
        given = None if table is None else table[labels]
        total = len(labels) if given is None else given.sum()
        model.C = 1 / (penalty * total)
        with warnings.catch_warnings():
            # A penalty too weak to settle in so many iterations loses on validation images by itself.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self.features, labels, sample_weight=given)
        return model.coef_, model.intercept_

    def _constant(self, labels: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Of several labels, one that every image has, or none: no slope, and log-odds with half an image added to
        each side, as those of the images alone are infinite."""
        odds = (labels.sum() + 0.5) / ((1 - labels).sum() + 0.5)
        return np.zeros((1, self.features.shape[1])), np.array([np.log(odds)])
