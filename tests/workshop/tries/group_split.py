"""Splits by patient, and others."""

import random

import numpy as np


def lagging(patients, labels, ratios, seed):
    """Patient by patient, to the split that lacks most images of the patient's label."""
    rng = random.Random(seed)
    images = {}
    for row, name in enumerate(patients):
        images.setdefault(str(name), []).append(row)
    names = sorted(images)
    rng.shuffle(names)
    names.sort(key=lambda name: -len(images[name]))
    parts, given = [[], [], []], np.zeros((3, 2))
    totals = np.bincount(labels, minlength=2)
    for name in names:
        label = labels[images[name][0]]
        part = int(np.argmax(np.array(ratios) * totals[label] - given[:, label]))
        parts[part] += images[name]
        given[part, label] += len(images[name])
    return parts


def with_sklearn(patients, labels, ratios, seed):
    """Two splits of patients, one after the other."""
    from sklearn.model_selection import train_test_split

    names, where = np.unique(patients, return_index=True)
    of = labels[where]
    train, rest, _, of_rest = train_test_split(names, of, train_size=ratios[0], stratify=of, random_state=seed)
    val, test = train_test_split(
        rest, test_size=ratios[2] / (ratios[1] + ratios[2]), stratify=of_rest, random_state=seed
    )
    parts = [set(part) for part in (train, val, test)]
    return tuple(np.array([i for i, name in enumerate(patients) if name in part]) for part in parts)


def _cut(names, ratios):
    first, second = round(ratios[0] * len(names)), round((ratios[0] + ratios[1]) * len(names))
    return names[:first], names[first:second], names[second:]


def _dealt(patients, labels, ratios, rng):
    parts = [[], [], []]
    for label in (0, 1):
        for part, some in zip(parts, _cut(rng.permutation(np.unique(patients[labels == label])), ratios), strict=True):
            part.extend(some)
    return [np.flatnonzero(np.isin(patients, part)) for part in parts]


def by_image(patients, labels, ratios, seed):
    return _cut(np.random.default_rng(seed).permutation(len(patients)), ratios)


def unseeded(patients, labels, ratios, seed):
    return _dealt(patients, labels, ratios, np.random.default_rng())


def seed_ignored(patients, labels, ratios, seed):
    return _dealt(patients, labels, ratios, np.random.default_rng(42))


def loses(patients, labels, ratios, seed):
    """The first image of each patient."""
    parts = _dealt(patients, labels, ratios, np.random.default_rng(seed))
    return [rows[np.unique(patients[rows], return_index=True)[1]] for rows in parts]


def empty(patients, labels, ratios, seed):
    train, val, test = _dealt(patients, labels, ratios, np.random.default_rng(seed))
    return train, np.concatenate([val, test]), test[:0]


def in_order(patients, labels, ratios, seed):
    return [np.flatnonzero(np.isin(patients, part)) for part in _cut(np.unique(patients), ratios)]


def unstratified(patients, labels, ratios, seed):
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    return [np.flatnonzero(np.isin(patients, part)) for part in _cut(names, ratios)]


def halves(patients, labels, ratios, seed):
    return _dealt(patients, labels, (0.34, 0.33, 0.33), np.random.default_rng(seed))


def numbers_of_patients(patients, labels, ratios, seed):
    train, val, test = _dealt(patients, labels, ratios, np.random.default_rng(seed))
    return train + 1, val + 1, test + 1


def names_of_patients(patients, labels, ratios, seed):
    return [np.unique(patients[rows]) for rows in _dealt(patients, labels, ratios, np.random.default_rng(seed))]


def masks_of_rows(patients, labels, ratios, seed):
    parts = _dealt(patients, labels, ratios, np.random.default_rng(seed))
    return [np.isin(np.arange(len(patients)), rows) for rows in parts]


def val_and_test_exchanged(patients, labels, ratios, seed):
    train, val, test = _dealt(patients, labels, ratios, np.random.default_rng(seed))
    return train, test, val


RIGHT = [lagging, with_sklearn]
WRONG = {
    "shared-patient": by_image, "not-seeded": unseeded, "seed-ignored": seed_ignored, "loses-images": loses,
    "empty-split": empty, "in-order": in_order, "not-stratified": unstratified, "ratios": halves,
    "not-rows": numbers_of_patients,
}  # fmt: skip
ALSO_WRONG = [("not-rows", names_of_patients), ("not-rows", masks_of_rows), ("ratios", val_and_test_exchanged)]
