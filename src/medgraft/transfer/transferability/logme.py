"""LogME: how probable the labels are under a Bayesian linear model of the features, at its best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgraft.transfer.transferability.labelled import LabelledFeatures

Floats = npt.NDArray[np.float64]

_SPAN = 12.0
_POINTS = 97
_ROUNDS = 6
_FLOOR = 1e-12


def logme(data: LabelledFeatures) -> float:
    """Return the logarithm of the maximum evidence, by image, averaged over classes; higher is better.

    For the indicator y of a class the model is y = F w + noise, with weights of precision alpha and noise of precision
    beta: y is normal with covariance I / beta + F F' / alpha. The evidence is maximised over both. With the singular
    values of F and t = alpha / beta, the best beta for a t has a closed form, so what is left is a search along t. The
    fixed-point iteration of the paper has the same solution and stops earlier.

    Features are taken as they are, neither centred nor scaled, as in the authors' code. The value depends on how often
    each class occurs, so only encoders on the same images can be compared. It does not depend on rotations of the
    features, nor on their scale.

    References
    ----------
    You, Liu, Wang & Long (2021), LogME: practical assessment of pre-trained models for transfer learning, ICML,
    equation 2; You et al. (2022), Ranking and tuning pre-trained models, JMLR 23:1-47.
    """
    spectrum, bases = _spectrum(data.features.astype(np.float64))
    indicators = data.presence.astype(np.float64)
    return float(np.mean([_evidence(spectrum, (bases.T @ y) ** 2, y) for y in indicators.T]))


def _spectrum(features: Floats) -> tuple[Floats, Floats]:
    """Squared singular values above rounding, [k], and their left vectors, [N, k]."""
    n, d = features.shape
    if n <= d:
        values, vectors = np.linalg.eigh(features @ features.T)
    else:
        values, vectors = np.linalg.eigh(features.T @ features)
        vectors = features @ vectors
    kept = values > values.max(initial=0) * max(n, d) * np.finfo(np.float64).eps
    vectors = vectors[:, kept]
    return values[kept], vectors / np.linalg.norm(vectors, axis=0)


def _evidence(spectrum: Floats, squares: Floats, y: Floats) -> float:
    """The maximum over t of the log evidence by image: a grid over log t, drawn closer around its best point."""
    n = len(y)
    length = float(y @ y)
    rest = max(length - float(squares.sum()), _FLOOR * length)
    middle = float(np.log(spectrum.mean())) if len(spectrum) else 0.0
    low, high = middle - _SPAN * np.log(10), middle + _SPAN * np.log(10)
    for _ in range(_ROUNDS):
        logs = np.linspace(low, high, _POINTS)
        t = np.exp(logs)[:, None]
        damping = t / (t + spectrum)
        found = np.log(damping).sum(axis=1) - n * np.log((squares * damping).sum(axis=1) + rest)
        best = int(found.argmax())
        low, high = logs[max(best - 1, 0)], logs[min(best + 1, _POINTS - 1)]
    return float(found.max() / n + np.log(n) - 1 - np.log(2 * np.pi)) / 2
