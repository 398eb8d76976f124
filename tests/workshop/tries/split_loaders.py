"""Splits and loaders that learners write."""

import random

import numpy as np
import torch
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split
from torch.utils.data import DataLoader, Subset, random_split


def _parts(labels, ratios, seed):
    both = ratios[1] + ratios[2]
    train, rest = train_test_split(np.arange(len(labels)), test_size=both, stratify=labels, random_state=seed)
    val, test = train_test_split(rest, test_size=ratios[2] / both, stratify=labels[rest], random_state=seed)
    return train, val, test


def _loaders(dataset, parts, batch_size, train=None, rest=None):
    train, rest = {"shuffle": True, **(train or {})}, rest or {}
    return [
        DataLoader(Subset(dataset, [int(i) for i in part]), batch_size, **options)
        for part, options in zip(parts, (train, rest, rest), strict=True)
    ]


def with_sklearn(dataset, labels, ratios, batch_size, seed):
    """As many write it; training drops what fills no batch, and its order is seeded."""
    order = {"drop_last": True, "generator": torch.Generator().manual_seed(seed)}
    return _loaders(dataset, _parts(labels, ratios, seed), batch_size, train=order)


def with_shuffle_split(data, y, shares, size, random_state):
    whole = np.arange(len(y))
    split = StratifiedShuffleSplit(n_splits=1, train_size=shares[0], random_state=random_state)
    train, rest = next(split.split(whole, y))
    half = StratifiedShuffleSplit(n_splits=1, train_size=shares[1] / (shares[1] + shares[2]), random_state=1)
    val, test = next(half.split(rest, y[rest]))
    return _loaders(data, (train, rest[val], rest[test]), size)


def by_hand(dataset, labels, ratios, batch_size, seed):
    """Plain Python."""
    shuffler = random.Random(seed)
    parts = ([], [], [])
    for c in sorted(set(labels.tolist())):
        mine = [i for i, label in enumerate(labels) if label == c]
        shuffler.shuffle(mine)
        a = round(ratios[0] * len(mine))
        b = a + round(ratios[1] * len(mine))
        for part, some in zip(parts, (mine[:a], mine[a:b], mine[b:]), strict=True):
            part += some
    return _loaders(dataset, parts, batch_size)


def rest_to_train(dataset, labels, ratios, batch_size, seed):
    """Val and test are rounded down, and training takes all that is left."""
    rng, parts = np.random.default_rng(seed), ([], [], [])
    for c in np.unique(labels):
        mine = rng.permutation(np.flatnonzero(labels == c))
        a, b = int(ratios[1] * len(mine)), int(ratios[2] * len(mine))
        for part, some in zip(parts, (mine[a + b :], mine[:a], mine[a : a + b]), strict=True):
            part.extend(some)
    return _loaders(dataset, parts, batch_size)


def everything_shuffled(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, seed), batch_size, rest={"shuffle": True})


def nothing_shuffled(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, seed), batch_size, train={"shuffle": False})


def drops_everywhere(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, seed), batch_size, rest={"drop_last": True})


def not_seeded(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, None), batch_size)


def seed_of_its_own(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, 42), batch_size)


def overlapping(dataset, labels, ratios, batch_size, seed):
    """Two draws from the whole."""
    train, val, _ = _parts(labels, ratios, seed)
    return _loaders(dataset, (train, val, _parts(labels, ratios, seed + 1)[2]), batch_size)


def plain_random(dataset, labels, ratios, batch_size, seed):
    parts = random_split(dataset, ratios, torch.Generator().manual_seed(seed))
    return [DataLoader(part, batch_size, shuffle=place == 0) for place, part in enumerate(parts)]


def cut_as_sorted(dataset, labels, ratios, batch_size, seed):
    cuts = (np.cumsum(ratios)[:2] * len(labels)).astype(int)
    return _loaders(dataset, np.split(np.arange(len(labels)), cuts), batch_size)


def rounded_down(dataset, labels, ratios, batch_size, seed):
    rng, parts = np.random.default_rng(seed), ([], [], [])
    for c in np.unique(labels):
        places, start = rng.permutation(np.flatnonzero(labels == c)), 0
        for part, ratio in zip(parts, ratios, strict=True):
            stop = start + int(ratio * len(places))
            part += places[start:stop].tolist()
            start = stop
    return _loaders(dataset, parts, batch_size)


def second_share_of_the_rest(dataset, labels, ratios, batch_size, seed):
    train, rest = train_test_split(
        np.arange(len(labels)), test_size=ratios[1] + ratios[2], stratify=labels, random_state=seed
    )
    val, test = train_test_split(rest, test_size=ratios[2], stratify=labels[rest], random_state=seed)
    return _loaders(dataset, (train, val, test), batch_size)


def of_another_size(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, ratios, seed), 8)


def val_and_test_exchanged(dataset, labels, ratios, batch_size, seed):
    train, val, test = _parts(labels, ratios, seed)
    return _loaders(dataset, (train, test, val), batch_size)


def shares_of_the_example(dataset, labels, ratios, batch_size, seed):
    return _loaders(dataset, _parts(labels, (0.7, 0.15, 0.15), seed), batch_size)


def drops_of_the_test(dataset, labels, ratios, batch_size, seed):
    train, val, test = _loaders(dataset, _parts(labels, ratios, seed), batch_size)
    return train, val, DataLoader(test.dataset, batch_size, drop_last=True)


RIGHT = [with_sklearn, with_shuffle_split, by_hand, rest_to_train]
WRONG = {
    "val-shuffled": everything_shuffled, "train-in-order": nothing_shuffled, "drop-last": drops_everywhere,
    "not-seeded": not_seeded, "seed-unused": seed_of_its_own, "overlap": overlapping, "not-stratified": plain_random,
    "lost": rounded_down, "ratios": second_share_of_the_rest, "batch-size": of_another_size,
}  # fmt: skip
ALSO_WRONG = [
    ("ratios", val_and_test_exchanged), ("ratios", shares_of_the_example), ("drop-last", drops_of_the_test)
]  # fmt: skip
