"""Mean and standard deviation of each channel, image by image."""

import numpy as np


def mean_std(images):
    count, total, squares = 0, 0.0, 0.0
    for image in images:
        pixels = image.reshape(-1, image.shape[-1]).astype(np.float64) / 255
        count += len(pixels)
        total = total + pixels.sum(axis=0)
        squares = squares + (pixels**2).sum(axis=0)
    mean = total / count
    return mean, np.sqrt(squares / count - mean**2)
