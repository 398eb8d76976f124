"""Ways to choose a threshold."""

import numpy as np
import torch


def _j(scores, labels, t):
    return (scores[labels == 1] >= t).mean() + (scores[labels == 0] < t).mean() - 1


def _accuracy(scores, labels, t):
    return ((scores >= t) == labels).mean()


def _argbest(measure, scores, labels):
    return max(np.unique(scores), key=lambda t: measure(scores, labels, t))


def on_a_grid(scores, labels, test_scores, test_labels):
    grid = np.linspace(0, 1, 101)
    t = grid[int(np.argmax([_j(scores, labels, t) for t in grid]))]
    return float(t), float(_j(test_scores, test_labels, t))


def by_the_curve(val_p, val_y, test_p, test_y):
    from sklearn.metrics import recall_score, roc_curve

    false_alarms, found, thresholds = roc_curve(val_y, val_p)
    t = thresholds[(found - false_alarms).argmax()]
    called = test_p >= t
    return t, recall_score(test_y, called) + recall_score(test_y, called, pos_label=0) - 1


class Above:
    """Positive is what lies above the threshold; by running sums, in torch."""

    def __call__(self, p, y, test_p, test_y):
        p, order = torch.sort(torch.from_numpy(p))
        y = torch.from_numpy(y)[order].double()
        missed, calm = y.cumsum(0) / y.sum(), (1 - y).cumsum(0) / (1 - y).sum()
        t = p[(calm - missed).argmax()]
        called, truth = torch.from_numpy(test_p) > t, torch.from_numpy(test_y).bool()
        return t, called[truth].double().mean() - called[~truth].double().mean()


def on_test(scores, labels, test_scores, test_labels):
    t = _argbest(_j, test_scores, test_labels)
    return t, _j(test_scores, test_labels, t)


def half(scores, labels, test_scores, test_labels):
    return 0.5, _j(test_scores, test_labels, 0.5)


def by_accuracy(scores, labels, test_scores, test_labels):
    t = _argbest(_accuracy, scores, labels)
    return t, _j(test_scores, test_labels, t)


def by_sensitivity(scores, labels, test_scores, test_labels):
    t = scores[labels == 1].min()
    return t, _j(test_scores, test_labels, t)


def by_specificity(scores, labels, test_scores, test_labels):
    t = scores[labels == 0].max() + 1e-9
    return t, _j(test_scores, test_labels, t)


def by_fifths(scores, labels, test_scores, test_labels):
    t = max(np.linspace(0, 1, 6), key=lambda t: _j(scores, labels, t))
    return t, _j(test_scores, test_labels, t)


def of_validation(scores, labels, test_scores, test_labels):
    t = _argbest(_j, scores, labels)
    return t, _j(scores, labels, t)


def best_of_test(scores, labels, test_scores, test_labels):
    return _argbest(_j, scores, labels), _j(test_scores, test_labels, _argbest(_j, test_scores, test_labels))


def accuracy_of_test(scores, labels, test_scores, test_labels):
    t = _argbest(_j, scores, labels)
    return t, _accuracy(test_scores, test_labels, t)


def half_on_test(scores, labels, test_scores, test_labels):
    return _argbest(_j, scores, labels), _j(test_scores, test_labels, 0.5)


def _nearness(scores, labels, t):
    return -np.hypot((scores[labels == 1] < t).mean(), (scores[labels == 0] >= t).mean())


def _f1(scores, labels, t):
    called = scores >= t
    return 2 * (called & (labels == 1)).sum() / (called.sum() + labels.sum())


def by_the_corner(scores, labels, test_scores, test_labels):
    t = _argbest(_nearness, scores, labels)
    return t, _j(test_scores, test_labels, t)


def by_f1(scores, labels, test_scores, test_labels):
    t = _argbest(_f1, scores, labels)
    return t, _j(test_scores, test_labels, t)


RIGHT = [on_a_grid, by_the_curve, Above()]
WRONG = {
    "on-test": on_test, "always-half": half, "accuracy": by_accuracy, "sensitivity-alone": by_sensitivity,
    "specificity-alone": by_specificity, "score-of-validation": of_validation, "best-of-test": best_of_test,
    "accuracy-of-test": accuracy_of_test, "half-on-test": half_on_test,
    "coarse-grid": by_fifths,
}  # fmt: skip
