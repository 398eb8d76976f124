"""Linear CKA of two tables of activations: centred, normalised, and of any two widths."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4


def _draw(rng: np.random.Generator) -> Given:
    """Few images, two widths, means far from 0: each usual mistake then gives a number of its own."""
    images, p, q = int(rng.integers(9, 14)), int(rng.integers(3, 6)), int(rng.integers(6, 9))
    first = rng.normal(0, 1, (images, p)) * rng.uniform(0.5, 2, p) + rng.uniform(1, 2, p)
    second = first @ rng.normal(0, 1, (p, q)) + rng.normal(0, 1.5, (images, q)) + rng.uniform(-3, 3, q)
    return {"first": first, "second": second}


def _draw_wide(rng: np.random.Generator) -> Given:
    """More features than images, as activations are."""
    images = int(rng.integers(8, 11))
    first = rng.normal(0, 1, (images, 40)) + 2
    second = first[:, :25] * rng.uniform(0.2, 3, 25) + rng.normal(0, 1, (images, 25))
    return {"first": first, "second": second}


def _draw_turned(rng: np.random.Generator) -> Given:
    """The same activations, turned, moved and made larger: for CKA they have not changed."""
    first = rng.normal(0, 1, (int(rng.integers(10, 20)), 6)) * rng.uniform(0.5, 3, 6)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    return {"first": first, "second": rng.uniform(20, 30) * first @ turn + rng.normal(0, 5, 6)}


def _ask(learner: Any, given: Given) -> Any:
    return learner(np.array(given["first"]), np.array(given["second"]))


def _centred(features: Array, axis: int = 0) -> Array:
    return np.asarray(features - features.mean(axis=axis, keepdims=True))


def _overlap(first: Array, second: Array) -> float:
    return float(((first.T @ second) ** 2).sum())


def _cka(first: Array, second: Array) -> float:
    return _overlap(first, second) / float(np.sqrt(_overlap(first, first) * _overlap(second, second)))


def _unbiased(first: Array, second: Array) -> float:
    """With HSIC_1, as ``medgraft.transfer.reuse`` has it, where the derivation is."""

    def gram(features: Array) -> Array:
        kernel = features @ features.T
        return np.asarray(kernel - np.diag(np.diag(kernel)))

    def hsic(k: Array, m: Array) -> float:
        n = len(k)
        rest = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m).sum() / (n - 2)
        return float((k * m).sum() + rest)

    k, m = gram(first), gram(second)
    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))


def _judge(given: Given, answer: Any) -> Fault | None:
    first, second = given["first"], given["second"]
    what = f"activations {first.shape} and {second.shape} of the same {len(first)} images"
    if np.ndim(answer) != 0 or answer is None:
        return Fault(what, f"{getattr(answer, 'shape', answer)}", "one number", "not-one-number")
    right = _cka(_centred(first), _centred(second))
    if np.isfinite(answer) and abs(float(answer) - right) < _CLOSE:
        return None
    return Fault(what, f"{float(answer):.4f}", f"{right:.4f}", _mistake(first, second, float(answer)))


def _mistake(first: Array, second: Array, value: float) -> str | None:
    x, y = _centred(first), _centred(second)
    both, squares = _overlap(x, y), _overlap(x, x) * _overlap(y, y)
    right, n = _cka(x, y), len(first)
    known = {
        "not-centred": [_cka(first, second), _cka(x, second), _cka(first, y)],
        "wrong-axis": [
            _cka(_centred(first, 1), _centred(second, 1)),
            _cka(first - first.mean(), second - second.mean()),
        ],
        "standardised": [_cka(x / x.std(axis=0), y / y.std(axis=0))],
        "not-normalised": [both, both / n**2, both / (n - 1) ** 2],
        "no-root": [both / squares],
        "not-squared": [np.sqrt(both / np.sqrt(squares)), np.sqrt(both) / np.sqrt(squares)],
        "sorted": [_cka(np.sort(x, axis=0), np.sort(y, axis=0)), _cka(x[np.argsort(x[:, 0])], y[np.argsort(y[:, 0])])],
        "unbiased": [_unbiased(x, y)],
        "distance": [1 - right],
    }
    near = _CLOSE * max(1.0, abs(value))
    return next((name for name, numbers in known.items() if any(abs(value - one) < near for one in numbers)), None)


EXERCISE = Exercise(
    id="linear-cka",
    title="Linear CKA",
    notebook=6,
    defines="cka",
    takes="a function cka(x, y) of two NumPy arrays of activations, [n, p] and [n, q] of the same n images in the "
    "same order, that returns one number: the plain (biased) linear CKA of Kornblith et al. 2019",
    probes=(
        Probe("values of two tables of different width", _draw, _ask, _judge),
        Probe("more features than images", _draw_wide, _ask, _judge),
        Probe("1 for activations that were turned, moved and scaled", _draw_turned, _ask, _judge),
    ),
    hints=(
        "CKA asks whether two layers see the same images as like and unlike. It is 1 if one is the other turned, and "
        "near 0 if they have nothing in common.",
        "Centre each feature over the images. Then compare: the sum of the squares of all entries of y.T @ x, divided "
        "by the same of x with itself and of y with itself, so that scales cancel.",
        "With x and y centred: np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)).",
    ),
    mistakes={
        "not-centred": "The features still have their means. All activations of a ReLU are above 0, so everything "
        "looks alike. Take off each feature's mean over the images first.",
        "standardised": "You divide each feature by its standard deviation, so that a feature that hardly changes "
        "counts as much as the strongest. Take off the means, and leave the scales as they are.",
        "wrong-axis": "You take off the mean of each image, or of everything. Centre each feature: the mean over the "
        "images, axis 0.",
        "not-normalised": "This number grows with the scale of the features. Divide by what x gives with itself and y "
        "with itself, so that a layer compared with itself gives 1.",
        "no-root": "Above the line x and y each count twice; below, four times. Divide by the root of the product.",
        "not-squared": "A square is missing: above the line stands the squared Frobenius norm of y.T @ x.",
        "sorted": "Row i of both tables is the same image, and that pairing is all that CKA knows. Leave the rows in "
        "their order.",
        "unbiased": "This is the unbiased estimate, which Medgraft uses on batches. It is a good choice, but asked "
        "for here is the plain one: with all pairs of images, the diagonal of the kernels too.",
        "distance": "This is 1 - CKA, a distance. Return the similarity: 1 for layers that are alike.",
        "not-one-number": "Return one number for the two tables: add up the squares of all entries of the matrix.",
    },
)
