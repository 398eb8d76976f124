"""Seeded, stratified splits, and the loader that each of them needs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from medgraft.workshop.behaviour import numbers
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_SPLITS = ("train", "val", "test")
_EPOCHS = 12
"""Enough for each training image to come up, though the last batch of an epoch may be dropped."""
_FEW = 3


def _draw(rng: np.random.Generator) -> Given:
    """Labels sorted by class, as folders are read, of one large and two small classes; no split fills its batches.

    All shares differ from one another and from the example's: only then does it show which was meant for which.
    """
    counts = rng.permutation([120, 61, 32]) + rng.integers(0, 3, 3)
    ratios = [[0.6, 0.25, 0.15], [0.55, 0.15, 0.3], [0.5, 0.3, 0.2]][rng.integers(3)]
    seeds = rng.integers(0, 2**31, 2).tolist()
    sizes = [ratio * counts.sum() + rounding for ratio in ratios[1:] for rounding in range(-4, 4)]
    batches = [batch for batch in range(10, 40) if all(round(size) % batch for size in sizes)]
    batch = int(rng.choice(batches))
    labels = np.repeat(np.arange(3), counts)
    return {"labels": labels, "ratios": ratios, "batch": batch, "seeds": seeds, "epochs": _EPOCHS}


def _draw_few(rng: np.random.Generator) -> Given:
    return {**_draw(rng), "epochs": _FEW}


def _ask(learner: Any, given: Given) -> Any:
    """The numbers of the images in each batch, of several epochs; each image is its own number."""
    import torch
    from torch.utils.data import TensorDataset

    labels = torch.tensor(np.array(given["labels"]))
    first, second = given["seeds"]
    calls = []
    for place, (seed, epochs) in enumerate(((first, given["epochs"]), (first, 1), (second, 1))):
        random.seed(place)
        np.random.seed(place)
        torch.manual_seed(place)
        dataset = TensorDataset(torch.arange(len(labels), dtype=torch.float32)[:, None], labels)
        loaders = [*learner(dataset, labels.numpy().copy(), tuple(given["ratios"]), given["batch"], seed)]
        often = [epochs, *[min(epochs, _FEW)] * (len(loaders) - 1)]
        pairs = zip(loaders, often, strict=True)
        calls.append([[[batch[0].ravel().tolist() for batch in loader] for _ in range(n)] for loader, n in pairs])
    return calls


def _judge(given: Given, answer: Any) -> Fault | None:
    what = _what(given)
    if len(answer[0]) != len(_SPLITS):
        return Fault(what, f"{len(answer[0])} loaders", "three: train, val and test")
    fault = _split_fault(what, given, answer[0])
    if fault is not None:
        return fault
    return next((f for f in (_share_fault(what, given, call) for call in answer) if f is not None), None)


def _what(given: Given) -> str:
    counts = np.bincount(given["labels"])
    ratios = "/".join(f"{ratio:g}" for ratio in given["ratios"])
    per = ", ".join(str(count) for count in counts)
    return f"{len(given['labels'])} images, {per} of the classes 0, 1, 2; ratios {ratios}, batches of {given['batch']}"


def _members(loader: Sequence[Any]) -> Counter[int]:
    """How often each image came up in the epochs of a loader."""
    return Counter(int(one) for epoch in loader for batch in epoch for one in batch)


def _split_fault(what: str, given: Given, loaders: Sequence[Any]) -> Fault | None:
    """Overlaps, and images that are in none."""
    members = [set(_members(loader)) for loader in loaders]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        shared = members[a] & members[b]
        if shared:
            got = f"{len(shared)} images in both {_SPLITS[a]} and {_SPLITS[b]}"
            return Fault(what, got, "no image in two splits", "overlap")
    lost = len(given["labels"]) - len(set.union(*members))
    if not lost:
        return None
    batches = [[len(batch) for epoch in loader for batch in epoch] for loader in loaders[1:]]
    full = any(all(length == given["batch"] for length in lengths) for lengths in batches)
    sizes = ", ".join(f"{len(one)} in {name}" for one, name in zip(members, _SPLITS, strict=True))
    mistake = "drop-last" if full else "lost"
    return Fault(what, f"{lost} images never come up ({sizes})", "each image in one of the three", mistake)


def _share_fault(what: str, given: Given, loaders: Sequence[Any]) -> Fault | None:
    """Sizes of the splits and, within them, of the classes; rounding may move not quite two images of each class.

    Calls of a single epoch are looked at as well, in which the last training batch may be missing.
    """
    labels = given["labels"]
    counts = np.bincount(labels)
    for name, ratio, loader in zip(_SPLITS, given["ratios"], loaders, strict=True):
        if name == "train" and len(loader) == 1:
            continue
        found = np.bincount(labels[list(_members(loader))], minlength=len(counts))
        if abs(found.sum() - ratio * len(labels)) >= 2 * len(counts):
            return Fault(what, f"{found.sum()} images in {name}", f"{ratio * len(labels):.0f}", "ratios")
        if np.any(np.abs(found - ratio * counts) >= 2):
            got = f"{numbers(found, 0)} of the classes in {name}"
            return Fault(what, got, f"{numbers(ratio * counts, 0)}, as in all images", "not-stratified")
    return None


def _judge_seeds(given: Given, answer: Any) -> Fault | None:
    first, again, other = ([set(_members(loader)) for loader in call[1:]] for call in answer)
    if first != again:
        moved = sum(len(a ^ b) for a, b in zip(first, again, strict=True)) // 2
        what = "two calls with the same seed"
        return Fault(what, f"about {moved} images are in other splits", "the same splits", "not-seeded")
    if first == other:
        return Fault("two calls with different seeds", "the same splits", "other splits", "seed-unused")
    return None


def _judge_order(given: Given, answer: Any) -> Fault | None:
    """Which loader shuffles, and how large the batches are."""
    for name, loader in zip(_SPLITS, answer[0], strict=True):
        orders = [[one for batch in epoch for one in batch] for epoch in loader]
        what, shuffled = f"{len(loader)} epochs of the {name} loader", any(order != orders[0] for order in orders)
        if name == "train" and not shuffled:
            return Fault(what, "the same order in each", "another order in each", "train-in-order")
        if name != "train" and shuffled:
            return Fault(what, "another order in each", "the same order in each", "val-shuffled")
        sizes = [len(batch) for epoch in loader for batch in epoch]
        if name != "train" and any(len(one) != len(set(one)) for one in orders):
            return Fault(what, "images that come up twice in an epoch", "each image once", "overlap")
        if max(sizes, default=0) != min(given["batch"], len(orders[0])):
            got = f"batches of {max(sizes, default=0)}"
            return Fault(f"batch_size={given['batch']}", got, f"batches of {given['batch']}", "batch-size")
    return None


EXERCISE = Exercise(
    id="split-loaders",
    title="Splits and loaders",
    notebook=2,
    defines="make_loaders",
    takes="a function make_loaders(dataset, labels, ratios, batch_size, seed) -> (train, val, test), three "
    "DataLoaders; labels is an integer array with the class of each item, ratios three shares that add up to 1; each "
    "item is in one split; each split has the classes in the shares of the whole; the same seed gives the same splits, "
    "another seed others; train alone is shuffled, anew in each epoch, and val and test give every image once, in the "
    "same order each time",
    probes=(
        Probe("each image in one split, and each class in its share", _draw, _ask, _judge),
        Probe("the seed decides the splits", _draw_few, _ask, _judge_seeds),
        Probe("batches: shuffled for training alone", _draw_few, _ask, _judge_order),
    ),
    hints=(
        "Decide first which item goes where, class by class; then make a Subset and a DataLoader of each list.",
        "rng = np.random.default_rng(seed); for each class, shuffle the places where labels == class, and cut them at "
        "the ratios. shuffle=True is for training alone.",
        "places = rng.permutation(np.flatnonzero(labels == c)); cuts = np.round(np.cumsum(ratios)[:2] * len(places)); "
        "train, val, test = np.split(places, cuts.astype(int)); collect these over the classes.",
    ),
    mistakes={
        "overlap": "An image in two splits is known by heart when it is tested. Cut one shuffled list into three "
        "parts.",
        "lost": "Some images never come up, often as each share is rounded down. Cut at the cumulated ratios, so that "
        "what one split does not get goes to the next. (A sampler that draws with replacement leaves some out, too.)",
        "drop-last": "drop_last leaves out what does not fill a batch: in val and test these images never count. Keep "
        "drop_last for training, if anywhere.",
        "ratios": "The splits have other sizes than the ratios ask for. The order is train, val, test. When you split "
        "in two steps, the second share is of what is left: val / (val + test).",
        "not-stratified": "A rare class may be missing in a split, or fill it. Split each class by itself (or use "
        "train_test_split with stratify=).",
        "not-seeded": "The same seed gave other splits, so no result could be repeated. Draw from "
        "np.random.default_rng(seed), or hand the seed on (random_state=seed).",
        "seed-unused": "Another seed gives the same splits: the seed that is handed over is not used, or nothing is "
        "shuffled.",
        "train-in-order": "Training sees the same batches in each epoch, sorted as they are. Give its loader "
        "shuffle=True.",
        "val-shuffled": "Shuffled, the predictions of two epochs are in different orders and cannot be compared image "
        "by image. shuffle=True is for training alone.",
        "batch-size": "The batches have another size than batch_size. Return three DataLoaders, and hand it to each.",
    },
)
