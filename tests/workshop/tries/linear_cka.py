"""Linear CKA as learners write it."""

import numpy as np
import torch


def of_features(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return ((y.T @ x) ** 2).sum() / np.sqrt(((x.T @ x) ** 2).sum() * ((y.T @ y) ** 2).sum())


def of_images(a, b):
    """By kernels of the images, centred as kernels."""

    def hsic(k, m):
        n = len(k)
        h = np.eye(n) - np.ones((n, n)) / n
        return np.trace(k @ h @ m @ h) / (n - 1) ** 2

    k, m = a @ a.T, b @ b.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


class InTorch:
    """Single precision, and a tensor that comes back."""

    def __call__(self, x, y):
        x, y = (torch.from_numpy(part).float() for part in (x, y))
        x, y = x - x.mean(dim=0, keepdim=True), y - y.mean(dim=0, keepdim=True)
        k, m = (x @ x.T).flatten(), (y @ y.T).flatten()
        return torch.nn.functional.cosine_similarity(k, m, dim=0)


def _plain(x, y):
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def not_centred(x, y):
    return _plain(x, y)


def wrong_axis(x, y):
    return _plain(x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True))


def not_normalised(x, y):
    return np.linalg.norm((y - y.mean(0)).T @ (x - x.mean(0))) ** 2


def no_root(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.sum((y.T @ x) ** 2) / (np.sum((x.T @ x) ** 2) * np.sum((y.T @ y) ** 2))


def not_squared(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(y.T @ x) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def sorted_(x, y):
    return of_features(np.sort(x, axis=0), np.sort(y, axis=0))


def unbiased(x, y):
    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        whole = k.sum() * m.sum() / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + whole - 2 * (k @ m).sum() / (n - 2)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def distance(x, y):
    return 1 - of_features(x, y)


def by_entry(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def standardised(x, y):
    return _plain((x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0))


def of_one_mean(x, y):
    return _plain(x - x.mean(), y - y.mean())


RIGHT = [of_features, of_images, InTorch()]
WRONG = {
    "not-centred": not_centred, "wrong-axis": wrong_axis, "not-normalised": not_normalised, "no-root": no_root,
    "not-squared": not_squared, "sorted": sorted_, "unbiased": unbiased, "distance": distance,
    "not-one-number": by_entry, "standardised": standardised,
}  # fmt: skip
ALSO_WRONG = [("wrong-axis", of_one_mean)]
