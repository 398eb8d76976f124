"""Many logistic regressions on the same features, solved together by L-BFGS.

A cross-validation with its penalties is dozens of small problems whose time goes into passing over the features. All
of them pass over these together here, in one matrix product, which takes a tenth of the time of one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TOLERANCE = 1e-4
"""Largest entry of a problem's gradient at which it counts as solved (scikit-learn's default)."""
ITERATIONS = 200
HISTORY = 10
_HALVINGS = 12
_ARMIJO = 1e-4
_ROUNDING = 3e-7
CELLS_AT_ONCE = 40_000_000
"""Numbers (weights with their history, or logits) that one batch of problems may hold."""

FloatArray = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def solve_many(
    features: FloatArray, targets: FloatArray, members: Flags, penalties: npt.NDArray[np.float64]
) -> FloatArray:
    """Solve P problems and return the logits of all N images in each.

    Each minimises the mean cross-entropy over its own images plus ``penalty / 2`` times the squared weights, for
    features of zero mean and unit spread over its own images; the bias is free. As scikit-learn's
    ``LogisticRegression`` with ``C = 1 / (penalty * images)`` behind a ``StandardScaler``.

    Parameters
    ----------
    features : [N, D] float32.
    targets : [N, K] of 0 and 1. K = 1 is the sigmoid of one logit, K > 2 the softmax of K.
    members : [P, N], which images each problem learns from; of none, all logits are 0.
    penalties : [P], above 0.

    Returns
    -------
    [P, N, K] float32. Of a class that no image of a problem has, the logits are very low.
    """
    x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
    spread, mean = torch.std_mean(x, dim=0, correction=0)
    x = (x - mean) / torch.where(spread > 0, spread, 1.0)
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    y = torch.from_numpy(np.ascontiguousarray(targets.T, np.float32))
    each = max(2 * HISTORY * y.shape[0] * x.shape[1], 6 * y.shape[0] * len(x))
    step = max(1, CELLS_AT_ONCE // each)
    found = []
    for start in range(0, len(members), step):
        part = slice(start, start + step)
        weights = torch.from_numpy(members[part].astype(np.float32))
        strength = torch.from_numpy(penalties[part].astype(np.float32))
        found.append(_solve(_Problems.of(x, y, weights, strength)))
    return torch.cat(found).transpose(1, 2).numpy()


@dataclass
class _Problems:
    """The functions to be minimised, of weights [P, K, D + 1] for the features of each problem's own scale."""

    x: Tensor
    y: Tensor
    share: Tensor
    mean: Tensor
    scale: Tensor
    penalty: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor, members: Tensor, penalties: Tensor) -> _Problems:
        """Problems whose images ``members`` [P, N] marks; the last column of ``x`` is all ones."""
        share = members / members.sum(dim=1, keepdim=True).clamp_min(1)
        mean = share @ x
        variance = share @ x.square() - mean.square()
        # What does not vary among a problem's images has nothing to be scaled by, and rounding leaves a trace.
        scale = torch.where(variance > 1e-6, variance.clamp_min(0).sqrt(), 1.0)
        mean[:, -1], scale[:, -1] = 0.0, 1.0
        penalty = penalties[:, None].repeat(1, x.shape[1])
        penalty[:, -1] = 0.0
        return cls(x, y, share, mean[:, None], scale[:, None], penalty[:, None])

    def take(self, kept: Tensor) -> _Problems:
        """Some of the problems."""
        return _Problems(self.x, self.y, self.share[kept], self.mean[kept], self.scale[kept], self.penalty[kept])

    def logits(self, v: Tensor) -> Tensor:
        """[P, K, N] of all images."""
        w = v / self.scale
        shift = (w * self.mean).sum(dim=2, keepdim=True)
        logits: Tensor = (w.flatten(0, 1) @ self.x.T).unflatten(0, v.shape[:2]) - shift
        return logits

    def value(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The function [P] and its gradient [P, K, D + 1]."""
        z = self.logits(v)
        if z.shape[1] == 1:
            loss, residual = torch.nn.functional.softplus(z) - z * self.y, z.sigmoid() - self.y
        else:
            logs = z.log_softmax(dim=1)
            loss, residual = -(logs * self.y).sum(dim=1, keepdim=True), logs.exp() - self.y
        total = (loss[:, 0] * self.share).sum(dim=1) + (self.penalty * v.square()).sum(dim=(1, 2)) / 2
        residual = residual * self.share[:, None]
        slope = (residual.flatten(0, 1) @ self.x).unflatten(0, v.shape[:2])
        slope = (slope - residual.sum(dim=2, keepdim=True) * self.mean) / self.scale
        return total, slope + self.penalty * v


@dataclass
class _State:
    """Where each problem stands, problems first in every tensor; ``steps`` and ``bends`` [P, H, M] are the last
    moves and what they changed of the gradient."""

    number: Tensor
    v: Tensor
    value: Tensor
    slope: Tensor
    steps: Tensor
    bends: Tensor
    inverse: Tensor

    def take(self, kept: Tensor) -> _State:
        """Some of the problems."""
        return _State(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


@torch.no_grad()
def _solve(problems: _Problems) -> Tensor:
    """Logits [P, K, N] at the solutions; problems that are solved leave the batch once they are half of it."""
    count, k, d = len(problems.share), len(problems.y), problems.x.shape[1]
    whole, solutions = problems, torch.zeros(count, k, d)
    value, slope = problems.value(solutions)
    empty = torch.zeros(count, 0, k * d)
    state = _State(torch.arange(count), solutions.clone(), value, slope, empty, empty, torch.zeros(count, 0))
    going = slope.abs().amax(dim=(1, 2)) > TOLERANCE
    for _ in range(ITERATIONS):
        if not going.any():
            break
        moved = _move(problems, state, going)
        going &= moved & (state.slope.abs().amax(dim=(1, 2)) > TOLERANCE)
        if 2 * int(going.sum()) <= len(going):
            solutions[state.number] = state.v
            state, problems, going = state.take(going), problems.take(going), going[going]
    solutions[state.number] = state.v
    return whole.logits(solutions)


def _move(problems: _Problems, state: _State, going: Tensor) -> Tensor:
    """One step of each problem that is going on, in place; returns which could make one."""
    direction = _direction(state).view_as(state.v) * going[:, None, None]
    decline = (direction * state.slope).sum(dim=(1, 2))
    length = torch.ones(len(decline))
    if not state.steps.shape[1]:
        length = 1 / state.slope.abs().sum(dim=(1, 2)).clamp_min(1.0)
    for _ in range(_HALVINGS):
        v = state.v + length[:, None, None] * direction
        value, slope = problems.value(v)
        # Near the solution the decline is lost in the rounding of the value.
        enough = value <= state.value + _ARMIJO * length * decline + _ROUNDING * state.value.abs()
        if bool((enough | ~going).all()):
            break
        length = torch.where(enough, length, length / 2)
    moved = enough & going
    v = torch.where(moved[:, None, None], v, state.v)
    slope = torch.where(moved[:, None, None], slope, state.slope)
    _remember(state, (v - state.v).flatten(1), (slope - state.slope).flatten(1))
    state.v, state.slope, state.value = v, slope, torch.where(moved, value, state.value)
    return moved


def _remember(state: _State, step: Tensor, bend: Tensor) -> None:
    """Keep the move where the function bends upwards along it, else one that has no say."""
    curvature = (step * bend).sum(dim=1)
    sound = curvature > 1e-10 * bend.square().sum(dim=1).clamp_min(1e-30)
    inverse = torch.where(sound, 1 / torch.where(sound, curvature, 1.0), 0.0)
    keep = slice(-(HISTORY - 1), None)
    state.steps = torch.cat([state.steps[:, keep], step[:, None]], dim=1)
    state.bends = torch.cat([state.bends[:, keep], bend[:, None]], dim=1)
    state.inverse = torch.cat([state.inverse[:, keep], inverse[:, None]], dim=1)


def _direction(state: _State) -> Tensor:
    """Minus the inverse Hessian, as the last moves show it, times the slope: Nocedal & Wright (2006), algorithm 7.4."""
    q = -state.slope.flatten(1)
    shares = []
    for i in reversed(range(state.steps.shape[1])):
        share = state.inverse[:, i] * (state.steps[:, i] * q).sum(dim=1)
        q = q - share[:, None] * state.bends[:, i]
        shares.append(share)
    q = q * _first_guess(state)[:, None]
    for i, share in enumerate(reversed(shares)):
        back = state.inverse[:, i] * (state.bends[:, i] * q).sum(dim=1)
        q = q + (share - back)[:, None] * state.steps[:, i]
    return q


def _first_guess(state: _State) -> Tensor:
    """The scale of the inverse Hessian along the last sound move."""
    guess = torch.ones(len(state.v))
    for i in range(state.steps.shape[1]):
        bend = state.bends[:, i].square().sum(dim=1)
        sound = state.inverse[:, i] > 0
        guess = torch.where(sound, 1 / (state.inverse[:, i] * bend).clamp_min(1e-30), guess)
    return guess
