"""Labels: how many images each class has, in all and in each split, and labels that are missing or at odds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.refusals import refusals
from medgraft.audit.wording import verb
from medgraft.data import SPLITS
from medgraft.errors import counted, listing

RARE = 10
"""A class with fewer images cannot be learned and tested."""
IMBALANCE = 10.0
"""The largest class has so many times the images of the smallest, from which on it is said."""


def class_counts(examined: Examined, split: str | None = None) -> dict[str, int]:
    """Images of each class, in class order; of several classes an image counts for each. Empty for masks."""
    classes = examined.manifest.classes
    if classes is None:
        return {}
    present = examined.presence
    if split is not None and examined.splits is not None:
        present = present[examined.splits == split]
    return dict(zip(classes.names, map(int, present.sum(axis=0)), strict=True))


def check(examined: Examined) -> Checked:
    """Count the labels; nothing to say where images have masks."""
    if examined.manifest.classes is None:
        return Checked()
    found = [
        *refusals(examined, "balance"),
        *_without(examined),
        *_spellings(examined),
        *_rare(examined),
        *_splits(examined),
    ]
    passed = [] if any(f.severity != "note" for f in found) else ["every class has images enough"]
    if not any(f.kind in ("two-labels", "labels-at-odds") for f in found):
        passed.append("no file has two labels")
    return Checked(tuple(found), tuple(passed))


def _without(examined: Examined) -> Iterator[Finding]:
    unreadable = examined.refused("unreadable class")
    if unreadable:
        yield Finding(
            "class-without-image",
            "error",
            "balance",
            len(unreadable),
            f"{counted(len(unreadable), 'class folder')} {verb(len(unreadable), 'has', 'have')} no image that can be "
            f"read: {listing(unreadable)}",
            "Add its images, or take the folder out.",
        )
    (one,) = examined.refused("one class")[:1] or ("",)
    if one:
        yield Finding(
            "one-class",
            "error",
            "balance",
            1,
            f"there is one class only, {one}",
            "Two or more are wanted, or there is nothing to tell apart; is the other one in another folder or column?",
        )


def _spellings(examined: Examined) -> Iterator[Finding]:
    for note in examined.manifest.notes:
        if note.startswith("warning: ") and "several spellings" in note:
            yield Finding(
                "label-spellings",
                "warning",
                "balance",
                note.count(" read as "),
                note.removeprefix("warning: "),
                "They are read as one class; mend the table, as another program will not do that.",
            )


def _rare(examined: Examined) -> Iterator[Finding]:
    counts = class_counts(examined)
    rare = {name: count for name, count in counts.items() if count < RARE}
    if rare and len(counts) > 1:
        shown = listing(f"{name} ({count})" for name, count in rare.items())
        yield Finding(
            "rare-classes",
            "warning",
            "balance",
            len(rare),
            f"{counted(len(rare), 'class', 'classes')} {verb(len(rare), 'has', 'have')} fewer than {RARE} images: "
            f"{shown}",
            "Collect more, join it with another class, or leave it out: a few images are too few to learn from and "
            "to score on.",
            images=_of_classes(examined, list(rare)),
            figures=rare,
        )
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if 0 < counts[least] * IMBALANCE < counts[most]:
        yield Finding(
            "imbalance",
            "warning",
            "balance",
            len(counts),
            f"classes are unbalanced {counts[most] / counts[least]:.0f}:1 ({most} {counts[most]:,}, "
            f"{least} {counts[least]:,})",
            "Read AUC and balanced accuracy, not accuracy; --imbalance class_weights makes every class count the same.",
            figures=counts,
        )


def _splits(examined: Examined) -> Iterator[Finding]:
    """Classes that a split lacks, where the data has splits of its own."""
    if examined.splits is None:
        return
    present = {split: class_counts(examined, split) for split in SPLITS if (examined.splits == split).any()}
    if "train" not in present:
        return
    for split, counts in present.items():
        lacking = [name for name, count in counts.items() if not count and class_counts(examined)[name]]
        if not lacking:
            continue
        learned = split == "train"
        yield Finding(
            f"class-not-in-{split}",
            "error" if learned else "warning",
            "balance",
            len(lacking),
            f"{counted(len(lacking), 'class', 'classes')} {verb(len(lacking), 'has', 'have')} no image in {split}: "
            f"{listing(lacking)}",
            f"It cannot be {'learned' if learned else 'scored there'}; split otherwise.",
        )


def _of_classes(examined: Examined, names: list[str]) -> tuple[str, ...]:
    classes = examined.manifest.classes
    assert classes is not None
    columns = [classes.names.index(name) for name in names]
    return examined.named(np.flatnonzero(examined.presence[:, columns].any(axis=1)))
