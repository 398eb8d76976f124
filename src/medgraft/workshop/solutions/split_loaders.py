"""Stratified splits by a seed, and their loaders."""

import numpy as np
from torch.utils.data import DataLoader, Subset


def make_loaders(dataset, labels, ratios, batch_size, seed):
    rng = np.random.default_rng(seed)
    splits = []
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.round(np.cumsum(ratios)[:2] * len(places)).astype(int)
        splits.append(np.split(places, cuts))
    train, val, test = (Subset(dataset, np.concatenate(parts).tolist()) for parts in zip(*splits, strict=True))
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True),
        DataLoader(val, batch_size=batch_size),
        DataLoader(test, batch_size=batch_size),
    )
