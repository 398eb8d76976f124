"""A split by patient, stratified by label and seeded."""

import numpy as np


def group_split(patients, labels, ratios, seed):
    rng = np.random.default_rng(seed)
    part_of = np.zeros(len(patients), dtype=int)
    for label in np.unique(labels):
        names = rng.permutation(np.unique(patients[labels == label]))
        first = round(ratios[0] * len(names))
        second = round((ratios[0] + ratios[1]) * len(names))
        for part, some in enumerate(np.split(names, [first, second])):
            part_of[np.isin(patients, some)] = part
    return [np.flatnonzero(part_of == part) for part in range(3)]
