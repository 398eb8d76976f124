"""A split by patient: none shared, shares nearly held, seeded, and with every split's share of the rarer label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medgraft.errors import listing
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_SPLITS = ("train", "val", "test")
_OFF = 0.03
"""By how much the share of images may differ, on average over the seeds, from what was asked: patients stay whole."""
_UNLIKE = 0.45
"""Of a random split the figure of :func:`_imbalance` is 1 on average; of one that is stratified, near 0."""


def _draw(rng: np.random.Generator) -> Given:
    """As from a real archive: the names of patients begin with the hospital, and most sick ones lie in one."""
    patients, positive = 160, int(rng.integers(36, 45))
    sick = np.zeros(patients, bool)
    sick[rng.choice(patients // 2, int(positive * 0.9), replace=False)] = True
    sick[patients // 2 + rng.choice(patients // 2, positive - int(positive * 0.9), replace=False)] = True
    names = [f"{'A' if i < patients // 2 else 'B'}{i:03d}" for i in range(patients)]
    rows = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
    rng.shuffle(rows)
    ratios = [(0.6, 0.25, 0.15), (0.55, 0.15, 0.3), (0.5, 0.3, 0.2)][int(rng.integers(3))]  # all differ
    return {
        "patients": [names[row] for row in rows],
        "labels": sick[rows].astype(np.int64),
        "ratios": list(ratios),
        "seeds": [int(seed) for seed in rng.integers(0, 2**31, 24)],
    }


def _draw_small(rng: np.random.Generator) -> Given:
    """Twenty patients, half of them positive: as few as a split can be made of."""
    order = rng.permutation(20)
    rows = np.repeat(order, rng.integers(2, 4, 20))
    labels = (rows % 2).astype(np.int64)
    seed = int(rng.integers(2**31))
    return {"patients": [f"p{row}" for row in rows], "labels": labels, "ratios": [0.6, 0.2, 0.2], "seeds": [seed]}


def _ask(learner: Any, given: Given) -> Any:
    def split(seed: int) -> list[Array]:
        found = learner(np.array(given["patients"]), np.array(given["labels"]), tuple(given["ratios"]), seed)
        parts = [np.asarray(rows) for rows in found]
        return [part if part.dtype.kind in "biuf" else list(map(str, np.ravel(part))) for part in parts]  # type: ignore[misc]

    return {"splits": [split(seed) for seed in given["seeds"]], "again": split(given["seeds"][0])}


def _judge(given: Given, answer: Any) -> Fault | None:
    patients, count = np.array(given["patients"]), len(set(given["patients"]))
    what = f"{len(patients)} images of {count} patients, to be split {' / '.join(map(str, given['ratios']))}"
    for split in (*answer["splits"], answer["again"]):
        for part in split:
            if np.ndim(part) != 1 or (len(part) and np.asarray(part).dtype.kind not in "iu"):
                some = ", ".join(map(str, np.ravel(part)[:3]))
                return Fault(what, f"an array {np.shape(part)} of {some}, ...", "row numbers [n]", "not-rows")
        fault = _fault_of(what, [_rows(part) for part in split], patients)
        if fault is not None:
            return fault
    fault = _judge_seeds(what, answer, patients)
    return fault or _judge_ratios(what, given, answer) or _judge_balance(what, given, answer)


def _rows(part: Any) -> Array:
    return np.asarray(part).astype(np.int64)


def _fault_of(what: str, split: Sequence[Array], patients: Array) -> Fault | None:
    """What is wrong with one split, however it was drawn."""
    if len(split) != len(_SPLITS):
        return Fault(what, f"{len(split)} parts", "three arrays of row numbers: train, val and test")
    sizes = ", ".join(f"{len(rows)} in {name}" for name, rows in zip(_SPLITS, split, strict=True))
    for name, rows in zip(_SPLITS, split, strict=True):
        if not len(rows):
            return Fault(what, sizes, f"images in {name}", "empty-split")
        if rows.min() < 0 or rows.max() >= len(patients):
            return Fault(what, f"row {rows.max()} in {name}", f"rows from 0 to {len(patients) - 1}", "not-rows")
    of = [set(patients[rows]) for rows in split]
    shared = sorted((of[0] & of[1]) | (of[0] & of[2]) | (of[1] & of[2]))
    if shared:
        got = f"{len(shared)} patients in more than one split ({listing(shared, 3)})"
        return Fault(what, got, "each patient in one split", "shared-patient")
    times = np.bincount(np.concatenate(list(split)), minlength=len(patients))
    if (times != 1).any():
        got = f"{sizes}: {(times == 0).sum()} images in none, {(times > 1).sum()} more than once"
        return Fault(what, got, "each image once", "loses-images")
    return None


def _judge_ratios(what: str, given: Given, answer: Any) -> Fault | None:
    """Over all seeds: of few large patients, one split may be uneven."""
    if len(answer["splits"]) < 2:
        return None
    shares = np.mean([[len(part) for part in split] for split in answer["splits"]], axis=0) / len(given["labels"])
    if np.abs(shares - given["ratios"]).max() <= _OFF:
        return None
    return Fault(what, f"shares {' / '.join(f'{share:.2f}' for share in shares)}", "the ratios, nearly", "ratios")


def _judge_seeds(what: str, answer: Any, patients: Array) -> Fault | None:
    sets = [[frozenset(_rows(part).tolist()) for part in split] for split in (*answer["splits"], answer["again"])]
    if sets[-1] != sets[0]:
        return Fault(what, "two splits with the same seed that differ", "the same split", "not-seeded")
    if len(sets) > 2 and all(split == sets[0] for split in sets):
        train, *others = (patients[_rows(part)].tolist() for part in answer["again"])
        in_order = max(train) < min(min(names) for names in others)
        got = "the same split with every seed" + (", cut in the order of the patients' names" if in_order else "")
        return Fault(what, got, "other patients with another seed", "in-order" if in_order else "seed-ignored")
    return None


def _judge_balance(what: str, given: Given, answer: Any) -> Fault | None:
    """Over all seeds, as one split may be uneven by chance, or even."""
    splits, labels = [[_rows(part) for part in split] for split in answer["splits"]], given["labels"]
    if len(splits) < 2:
        return None
    _, first, owner = np.unique(given["patients"], return_index=True, return_inverse=True)
    by_image = _imbalance(labels, [split[1:] for split in splits])
    of_patients = [[np.unique(owner[rows]) for rows in split[1:]] for split in splits]
    if min(by_image, _imbalance(labels[first], of_patients)) < _UNLIKE:
        return None
    shares = [float(labels[rows].mean()) for split in splits for rows in split[1:]]
    got = f"from {min(shares):.0%} to {max(shares):.0%} positive images in val and test, over {len(splits)} seeds"
    return Fault(what, got, f"about {labels.mean():.0%} in each", "not-stratified")


def _imbalance(labels: Array, splits: Sequence[Sequence[Array]]) -> float:
    """How far the counts of positives lie from their share, squared, in units of what drawing at random does."""
    n, share = len(labels), float(labels.mean())
    found = []
    for rows in (part for split in splits for part in split):
        chance = len(rows) * share * (1 - share) * (1 - len(rows) / n)
        found.append((labels[rows].sum() - len(rows) * share) ** 2 / chance)
    return float(np.mean(found))


EXERCISE = Exercise(
    id="group-split",
    title="A split by patient",
    notebook=5,
    defines="group_split",
    takes="a function group_split(patients, labels, ratios, seed) that takes an array of patients' names [n], labels "
    "0 or 1 [n] (all images of a patient have the same), three ratios that add up to 1 and an integer, and returns "
    "three arrays of row numbers: train, val and test",
    probes=(
        Probe("160 patients of two hospitals, 24 seeds", _draw, _ask, _judge),
        Probe("twenty patients", _draw_small, _ask, _judge),
    ),
    hints=(
        "Split the patients, not the images; the images follow their patients.",
        "Take the patients with label 1 and those with label 0 apart. Shuffle each list with a generator made from "
        "the seed, cut it at the ratios, and join the parts.",
        "For each label: names = rng.permutation(np.unique(patients[labels == label])); with n = len(names), cut at "
        "round(ratios[0] * n) and round((ratios[0] + ratios[1]) * n). Rows: np.flatnonzero(np.isin(patients, part)).",
    ),
    mistakes={
        "shared-patient": "Images of one patient are alike. With some in train and some in test, the score tells how "
        "well patients are recognised. Deal out whole patients.",
        "empty-split": "A split has no image. Look at where you cut: the second cut is at the sum of the first two "
        "ratios, and test is what is left.",
        "loses-images": "Each image belongs into exactly one split. See to it that the last part takes all that is "
        "left, and that every patient's images come along, not only the first.",
        "not-rows": "Return numbers of rows, from 0 to n - 1: they select images. Names or counts of patients do not, "
        "and of a mask of True and False np.flatnonzero gives the rows.",
        "ratios": "The splits have other shares of the images than was asked for. Cut the list of patients at the "
        "ratios; val comes second, test third.",
        "not-seeded": "The same seed gives another split each time, so nobody can repeat your result. Make a "
        "generator from the seed, np.random.default_rng(seed), and draw from it alone (a set has no fixed order: sort "
        "it first).",
        "seed-ignored": "The seed changes nothing. Shuffle the patients with a generator that is made from it.",
        "in-order": "You cut the list in the order of the names. Names often say where and when: here one hospital "
        "goes to train and the other to test. Shuffle first.",
        "not-stratified": "The share of positives in val and test is left to chance, which with few patients goes "
        "wrong often. Split the patients of each label apart, then join the parts.",
    },
)
