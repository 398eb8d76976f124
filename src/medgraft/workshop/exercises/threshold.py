"""A threshold that is chosen on validation by Youden's J, and then applied to test."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
Scored = tuple[Array, Array]
"""Scores and labels of the same images."""
_CLOSE = 1e-6
_EDGE = 0.03
"""Half of the gap in the scores around the best threshold: > and >=, midpoints and grids then agree."""


def _draw(rng: np.random.Generator) -> Given:
    """Few positives, a best threshold well below 0.5, and two test sets from machines that score differently.

    No multiple of a tenth lies in the gap around the best threshold.
    """
    best = float(rng.uniform(0.235, 0.249))
    tests = [_scored(rng, best + float(rng.uniform(0.09, 0.12))), _scored(rng, best - float(rng.uniform(0.09, 0.12)))]
    return _given(_scored(rng, best), tests)


def _draw_high(rng: np.random.Generator) -> Given:
    """A best threshold above 0.5."""
    best = float(rng.uniform(0.535, 0.549))
    tests = [_scored(rng, best - float(rng.uniform(0.09, 0.12))), _scored(rng, best - float(rng.uniform(0.2, 0.25)))]
    return _given(_scored(rng, best), tests)


def _given(val: Scored, tests: list[Scored]) -> Given:
    return {"val": list(val), "tests": [list(test) for test in tests]}


def _scored(rng: np.random.Generator, best: float) -> Scored:
    """Scores and labels of which J is largest at ``best``, while other measures are larger further up.

    The scores lie in three bands, low, middle and high; most negatives are in the first, most positives in the last.
    """
    bands = [(0.02, best - _EDGE), (best + _EDGE + 0.02, 0.72), (0.75, 0.97)]
    while True:
        counts = rng.integers((226, 48, 36), (235, 53, 41)), rng.integers((2, 7, 48), (4, 9, 53))
        parts = [
            (rng.uniform(*band, n), label) for label in (0, 1) for band, n in zip(bands, counts[label], strict=True)
        ]
        parts.append((rng.uniform(best + _EDGE, best + _EDGE + 0.02, 4), 1))
        scores = np.concatenate([part for part, _ in parts]).astype(np.float32).astype(np.float64)  # single will do
        labels = np.concatenate([np.full(len(part), label) for part, label in parts])
        order = rng.permutation(len(scores))
        scores, labels = scores[order], labels[order]
        cuts = np.append(np.unique(scores), 1.0)
        values = _youden(scores, labels, cuts)
        top = cuts[values.argmax()]
        others = [values[measure(scores, labels, cuts).argmax()] for measure in (_f1, _nearness)]
        alone = max(np.sort(values)[-2], *others) < values.max() - 1e-3
        if best < top <= best + _EDGE + 0.02 and alone:
            return scores, labels


def _ask(learner: Any, given: Given) -> Any:
    (scores, labels), found = given["val"], []
    for test_scores, test_labels in given["tests"]:
        threshold, value = learner(*(np.array(part) for part in (scores, labels, test_scores, test_labels)))
        found.append({"threshold": threshold, "score": value})
    return found


def _rates(scores: Array, labels: Array, threshold: Array | float) -> tuple[Array, Array]:
    """Sensitivity and specificity at each threshold, with scores from it on called positive."""
    sick, well = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    return 1 - np.searchsorted(sick, threshold) / len(sick), np.searchsorted(well, threshold) / len(well)


def _youden(scores: Array, labels: Array, threshold: Array | float) -> Array:
    return np.asarray(sum(_rates(scores, labels, threshold)) - 1)


def _accuracy(scores: Array, labels: Array, threshold: Array | float) -> Array:
    sensitivity, specificity = _rates(scores, labels, threshold)
    return np.asarray(sensitivity * labels.mean() + specificity * (1 - labels.mean()))


def _f1(scores: Array, labels: Array, threshold: Array | float) -> Array:
    sensitivity, specificity = _rates(scores, labels, threshold)
    found, false = sensitivity * labels.sum(), (1 - specificity) * (1 - labels).sum()
    return np.asarray(2 * found / (found + false + labels.sum()))


def _nearness(scores: Array, labels: Array, threshold: Array | float) -> Array:
    """To the corner of the ROC curve, which some take for J."""
    sensitivity, specificity = _rates(scores, labels, threshold)
    return np.asarray(-np.hypot(1 - sensitivity, 1 - specificity))


def _best(measure: Any, scores: Array, labels: Array) -> float:
    return float(measure(scores, labels, np.append(np.unique(scores), 1.0)).max())


def _judge(given: Given, answer: Any) -> Fault | None:
    val, tests = _pair(given["val"]), [_pair(test) for test in given["tests"]]
    thresholds = [_number(one["threshold"], "threshold") for one in answer]
    what = f"{len(val[0])} validation images, {int(val[1].sum())} of them positive, and {len(tests)} test sets in turn"
    if abs(thresholds[0] - thresholds[1]) > _CLOSE:
        got = f"thresholds {thresholds[0]:.3f} and {thresholds[1]:.3f}: they change with the test set"
        return Fault(what, got, "the same threshold, whatever the test set", "on-test")
    best = _best(_youden, *val)
    reached = float(_youden(*val, _both_ways(thresholds[0])).max())
    if reached < best - _CLOSE:
        got = f"threshold {thresholds[0]:.3f}, with J = {reached:.3f} on validation"
        return Fault(what, got, f"a threshold with J = {best:.3f} on validation", _mistake(val, thresholds[0]))
    return _judge_scores(what, val, tests, thresholds[0], [_number(one["score"], "score") for one in answer])


def _judge_scores(what: str, val: Scored, tests: list[Scored], threshold: float, found: list[float]) -> Fault | None:
    """What was returned of each test set, at the learner's own threshold."""
    for test, value in zip(tests, found, strict=True):
        rights = _youden(*test, _both_ways(threshold))
        if np.abs(value - rights).min() < _CLOSE:
            continue
        known: dict[str, Any] = {
            "score-of-validation": _youden(*val, threshold),
            "best-of-test": _best(_youden, *test),
            "accuracy-of-test": _accuracy(*test, threshold),
            "half-on-test": _youden(*test, 0.5),
        }
        mistake = next((name for name, number in known.items() if abs(value - number) < _CLOSE), None)
        return Fault(what, f"threshold {threshold:.3f} and a test score of {value:.3f}",
                     f"a test score of {rights[0]:.3f}: J of the test set at {threshold:.3f}", mistake)  # fmt: skip
    return None


def _pair(parts: list[Array]) -> Scored:
    return parts[0], parts[1]


def _both_ways(threshold: float) -> Array:
    """Scores from the threshold on, or scores above it: either may be meant."""
    return np.array([threshold, np.nextafter(threshold, np.inf)])


def _number(value: Any, what: str) -> float:
    if value is None or np.ndim(value) != 0:
        raise ValueError(f"the {what} is no single number")
    return float(value)


def _mistake(val: Scored, threshold: float) -> str | None:
    if abs(threshold - 0.5) < _CLOSE:
        return "always-half"
    if 0 < threshold < 1 and abs(threshold * 10 - round(threshold * 10)) < _CLOSE:
        return "coarse-grid"
    ways = _both_ways(threshold)
    if _accuracy(*val, ways).max() > _best(_accuracy, *val) - _CLOSE:
        return "accuracy"
    if any(measure(*val, ways).max() > _best(measure, *val) - _CLOSE for measure in (_f1, _nearness)):
        return "another-measure"
    if _rates(*val, ways)[0].max() == 1.0:
        return "sensitivity-alone"
    if _rates(*val, ways)[1].max() == 1.0:
        return "specificity-alone"
    return None


EXERCISE = Exercise(
    id="threshold",
    title="A threshold, chosen on validation",
    notebook=7,
    defines="choose",
    takes="a function choose(val_scores, val_labels, test_scores, test_labels) of NumPy arrays [n], scores in [0, 1] "
    "and labels 0 or 1, that returns the threshold with the largest Youden's J (sensitivity + specificity - 1) on "
    "validation, and J of the test set at that threshold",
    probes=(
        Probe("few positives, and two test sets from other machines", _draw, _ask, _judge),
        Probe("a model whose scores are high", _draw_high, _ask, _judge),
    ),
    hints=(
        "A threshold is part of the model: it is chosen before anybody looks at the test set.",
        "Try every validation score as a threshold. Work out sensitivity and specificity of the validation images at "
        "each, keep the threshold with the largest sum, and use it on the test set unchanged.",
        "def j(s, y, t): return (s[y == 1] >= t).mean() + (s[y == 0] < t).mean() - 1. Then t = max(val_scores, "
        "key=lambda t: j(val_scores, val_labels, t)), and return t, j(test_scores, test_labels, t).",
    ),
    mistakes={
        "on-test": "Your threshold changes with the test set, so test images have taken part in choosing it, and the "
        "score is too good. Choose on the validation images alone.",
        "always-half": "0.5 is a habit. Where positives are few, or a model is not calibrated, its best threshold "
        "lies elsewhere: try all of them on validation.",
        "accuracy": "This threshold has the largest accuracy, not the largest J. With few positives, accuracy is had "
        "by calling nearly everything negative. J gives both classes the same weight.",
        "another-measure": "This threshold is the best by another measure: F1, or the distance to the corner of the "
        "ROC curve. Asked for is the largest J, the sum of sensitivity and specificity, less 1.",
        "sensitivity-alone": "Every positive is found, at any price. J counts false alarms as well: add the "
        "specificity.",
        "specificity-alone": "There is no false alarm, at any price. J counts missed positives too: add the "
        "sensitivity.",
        "coarse-grid": "The best threshold lies between two of those that were tried. Try every validation score, or "
        "steps of 0.01.",
        "score-of-validation": "The second number is J of the validation set, which the threshold was fitted to. "
        "Return J of the test set at that threshold.",
        "best-of-test": "The second number is the best that any threshold reaches on the test set. Report what the "
        "threshold from validation reaches there, good or bad.",
        "accuracy-of-test": "The second number is the accuracy on test. Return J: sensitivity + specificity - 1.",
        "half-on-test": "You chose a threshold, and then decided on the test set at 0.5. Use the one you chose.",
    },
)
