"""Means and standard deviations that learners work out."""

import numpy as np
import torch


def in_torch(images):
    n, total, squares = 0, 0, 0
    for image in images:
        x = torch.from_numpy(image).permute(2, 0, 1).double().div(255)
        n += x[0].numel()
        total = total + x.sum((1, 2))
        squares = squares + x.square().sum((1, 2))
    mean = total / n
    return mean, (squares / n - mean**2).sqrt()


def merged(stream):
    """Welford's way: mean and spread of what was seen so far, joined with those of the next image."""
    n, mean, spread = 0, 0.0, 0.0
    for picture in stream:
        pixels = np.float64(picture).reshape(-1, picture.shape[2])
        m, here = len(pixels), pixels.mean(0)
        gap = here - mean
        spread = spread + ((pixels - here) ** 2).sum(0) + gap**2 * n * m / (n + m)
        mean = mean + gap * m / (n + m)
        n += m
    return [float(v) / 255 for v in mean], [float(v) / 255 for v in np.sqrt(spread / n)]


def of_counts(images):
    """From a histogram of each channel."""
    counts = None
    for image in images:
        new = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(image.shape[-1])])
        counts = new if counts is None else counts + new
    value, n = np.arange(256) / 255, counts.sum(1)
    mean = counts @ value / n
    return tuple(mean), tuple(np.sqrt(counts @ value**2 / n - mean**2))


def _whole(images):
    return np.concatenate([image.reshape(-1, image.shape[-1]) / 255 for image in images])


def mean_of_means(images):
    means, stds = zip(*[(i.mean((0, 1)) / 255, i.std((0, 1)) / 255) for i in images], strict=True)
    return np.mean(means, axis=0), np.mean(stds, axis=0)


def _with_std(std):
    def mean_std(images):
        images = list(images)
        return _whole(images).mean(0), std(images)

    return mean_std


def in_255(images):
    mean, std = in_torch(images)
    return mean * 255, std * 255


def wraps(images):
    n, total, squares = 0, 0.0, 0.0
    for image in images:
        n += image.shape[0] * image.shape[1]
        total = total + image.sum((0, 1)) / 255
        squares = squares + (image**2).sum((0, 1)) / 255**2
    mean = total / n
    with np.errstate(invalid="ignore"):
        return mean, np.sqrt(squares / n - mean**2)


def one_number(images):
    pixels = _whole(images)
    return pixels.mean(), pixels.std()


def keeps_all(images):
    pixels = _whole(images)
    return pixels.mean(0), pixels.std(0)


def in_two_rounds(images):
    n, total, squares = 0, 0.0, 0.0
    for image in images:
        n += image.shape[0] * image.shape[1]
        total = total + image.sum((0, 1)) / 255
    mean = total / n
    for image in images:
        squares = squares + ((image / 255 - mean) ** 2).sum((0, 1))
    return mean, np.sqrt(squares / n) * np.ones(len(mean))


def keeps_tensors(images):
    """No array of NumPy is left alive; what is kept lies in PyTorch's memory."""
    pixels = torch.cat([torch.from_numpy(image).float().div(255).flatten(0, 1) for image in images]).double()
    return pixels.mean(0), pixels.std(0, correction=0)


def in_single_precision(images):
    n, total, squares = 0, 0.0, 0.0
    for image in images:
        pixels = image.astype(np.float32) / 255
        n += pixels.shape[0] * pixels.shape[1]
        total = total + pixels.sum((0, 1))
        squares = squares + np.square(pixels).sum((0, 1))
    return total / n, np.sqrt(squares / n - (total / n) ** 2)


RIGHT = [in_torch, merged, of_counts, in_single_precision]
WRONG = {
    "mean-of-means": mean_of_means,
    "std-of-means": _with_std(lambda images: np.std([i.mean((0, 1)) / 255 for i in images], axis=0)),
    "mean-of-stds": _with_std(lambda images: np.mean([i.std((0, 1)) / 255 for i in images], axis=0)),
    "scale-255": in_255,
    "variance": _with_std(lambda images: _whole(images).var(0)),
    "ddof": _with_std(lambda images: torch.from_numpy(_whole(images)).std(0)),
    "overflow": wraps,
    "no-channels": one_number,
    "keeps-all": keeps_all,
    "second-round": in_two_rounds,
}
ALSO_WRONG = [("keeps-all", keeps_tensors)]
