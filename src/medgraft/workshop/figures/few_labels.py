"""Few labels and many parameters: a toy that is worked out here, with one number in and one out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import BLUE, INK, ORANGE, Picture, chart, picture

Floats = npt.NDArray[np.float64]
_NOISE = 0.3
_DEGREE = 9
_LABELS = (12, 16, 24, 40, 80, 200, 500, 1200)
_DRAWS = 60


def truth(x: Floats) -> Floats:
    """What is to be learned."""
    return np.asarray(np.sin(2 * np.pi * x) + 0.4 * np.cos(4 * np.pi * x))


def free_features(x: Floats) -> Floats:
    """Ten powers of x: they can follow nearly any curve, and know nothing of this one."""
    return np.asarray(np.polynomial.chebyshev.chebvander(2 * x - 1, _DEGREE))


def reused_features(x: Floats) -> Floats:
    """Three waves from a neighbouring task: nearly what is wanted here, and not quite."""
    waves = [np.ones_like(x), np.sin(2 * np.pi * x + 0.15), np.cos(4 * np.pi * x - 0.2)]
    return np.stack(waves, axis=1)


def fitted(features: Callable[[Floats], Floats], labels: int, rng: np.random.Generator) -> tuple[Floats, Any]:
    """The labelled points ``[2, n]``, and the curve that least squares draws through them."""
    x = rng.uniform(0, 1, labels)
    y = truth(x) + rng.normal(0, _NOISE, labels)
    weights = np.linalg.lstsq(features(x), y, rcond=None)[0]
    return np.stack([x, y]), lambda new: features(new) @ weights


def error_by_labels(features: Callable[[Floats], Floats], labels: int) -> float:
    """The error on new points (root mean square, without their noise): the median over draws of the labels."""
    new = np.linspace(0.02, 0.98, 200)
    draws = [fitted(features, labels, np.random.default_rng([labels, k]))[1](new) - truth(new) for k in range(_DRAWS)]
    return float(np.median(np.sqrt(np.mean(np.square(draws), axis=1))))


def few_labels() -> Picture:
    """Two curves through few labels and through many, and their error on new points by the number of labels."""
    kinds = (("from scratch: 10 free parameters", free_features, ORANGE), ("reused: 3", reused_features, BLUE))
    errors = {name: [error_by_labels(features, n) for n in _LABELS] for name, features, _ in kinds}
    free, reused = errors.values()
    figure = picture(
        8.2,
        2.9,
        f"A toy. Through {_LABELS[0]} noisy points a curve with ten free parameters swings wildly, and one with three "
        f"reused ones does not. Error on new points: {free[0]:.2f} and {reused[0]:.2f} with {_LABELS[0]} labels, "
        f"{free[-1]:.3f} and {reused[-1]:.3f} with {_LABELS[-1]}: with very many labels the free one is better.",
    )
    few, many, right = figure.subplots(1, 3)
    for axes, labels in ((few, _LABELS[0]), (many, _LABELS[5])):
        _curves(axes, kinds, labels)
    for name, _, color in kinds:
        right.plot(_LABELS, errors[name], "o-", color=color, lw=1.8, ms=3)
    right.set(xscale="log", yscale="log")
    chart(right, "error on new points", "labels")
    figure.legend(*few.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, labelcolor=INK)
    return figure


def _curves(axes: Any, kinds: Any, labels: int) -> None:
    new = np.linspace(0, 1, 300)
    axes.plot(new, truth(new), "--", color=INK, lw=1.2, label="what is to be learned")
    for name, features, color in kinds:
        points, curve = fitted(features, labels, np.random.default_rng(2))
        axes.plot(new, curve(new), color=color, lw=1.8, label=name)
    axes.plot(*points, "o", color=INK, ms=5 if labels < 50 else 2, alpha=0.9)
    axes.set_ylim(-2.6, 2.6)
    chart(axes, f"{labels} labels")
