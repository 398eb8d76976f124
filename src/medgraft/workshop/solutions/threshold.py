"""A threshold by Youden's J, chosen on validation and applied to test."""

import numpy as np


def youden(scores, labels, threshold):
    sensitivity = (scores[labels == 1] >= threshold).mean()
    specificity = (scores[labels == 0] < threshold).mean()
    return sensitivity + specificity - 1


def choose(val_scores, val_labels, test_scores, test_labels):
    candidates = np.unique(val_scores)
    values = [youden(val_scores, val_labels, t) for t in candidates]
    threshold = candidates[np.argmax(values)]
    return threshold, youden(test_scores, test_labels, threshold)
