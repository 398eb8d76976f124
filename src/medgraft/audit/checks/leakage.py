"""Leakage: patients, copies and near-duplicates that are in two splits, so that a score is of what was learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from medgraft.audit.checks.duplicates import conflicting, near_pairs
from medgraft.audit.examined import Examined, Rows, Texts
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.refusals import refusals
from medgraft.audit.remedy import further_copies, less_held_out
from medgraft.audit.wording import verb
from medgraft.data import SPLITS
from medgraft.errors import counted, listing


def check(examined: Examined) -> Checked:
    """Look at the data's own splits; nothing to say where there are none yet."""
    splits = examined.splits
    unknown = examined.said_of("unknown splits")
    if splits is None:
        return Checked()
    found = [
        *_unknown(examined, unknown),
        *refusals(examined, "leakage"),
        *_torn(examined, splits),
        *_exact(examined, splits),
        *_near(examined, splits),
    ]
    kinds = {finding.kind for finding in found}
    passed = []
    if examined.groups is not None and "groups-across-splits" not in kinds:
        passed.append("no patient in two splits")
    if not kinds & {"copies-across-splits", "near-duplicates-across-splits"}:
        passed.append("no copies across splits")
    return Checked(tuple(found), tuple(passed))


def _unknown(examined: Examined, sentence: str) -> Iterator[Finding]:
    assert examined.splits is not None
    rows = np.flatnonzero(examined.splits == "")
    if sentence:
        names = examined.named(rows)
        yield Finding(
            "unknown-splits",
            "error",
            "leakage",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'is', 'are')} in none of the splits {', '.join(SPLITS)}",
            f"{sentence.rpartition('; ')[2].rstrip('.').capitalize()}. Or leave the column out to have a split made.",
            images=names,
            leave_out=names,
        )


def _torn(examined: Examined, splits: Texts) -> Iterator[Finding]:
    if examined.groups is None:
        return
    torn = {}
    for group, rows in examined.manifest.table.groupby("group").indices.items():
        if len({splits[row] for row in rows} - {""}) > 1:
            torn[str(group)] = np.asarray(rows, np.intp)
    if torn:
        every = np.concatenate(list(torn.values()))
        yield Finding(
            "groups-across-splits",
            "error",
            "leakage",
            len(torn),
            f"{counted(len(torn), 'group')} (patients) {verb(len(torn), 'has', 'have')} images in two splits: "
            f"{listing(torn, 3)}",
            "Put all images of a patient into one split, or leave the split out to have one made by patient. The list "
            "for --exclude keeps the test images, and of the others those of val.",
            images=examined.named(every),
            leave_out=examined.named(row for rows in torn.values() for row in less_held_out(rows, splits)),
            figures={"groups": {group: _counts(splits, rows) for group, rows in torn.items()}},
        )


def _exact(examined: Examined, splits: Texts) -> Iterator[Finding]:
    leaking = [rows for rows in examined.copies if len(set(splits[rows]) - {""}) > 1]
    if leaking:
        pairs = [pair for rows in leaking for pair in _across(rows, splits)]
        out = [row for rows in leaking if not conflicting(examined, rows) for row in further_copies(rows, splits)]
        yield Finding(
            "copies-across-splits",
            "error",
            "leakage",
            len(leaking),
            f"{counted(len(leaking), 'image')} {verb(len(leaking), 'is', 'are')} in two splits (same pixels)",
            "Leave the copies in train out, or a score is partly of images that were learned.",
            images=examined.named(row for rows in leaking for row in rows),
            pairs=tuple((examined.names[first], examined.names[second]) for first, second in pairs),
            leave_out=examined.named(out),
        )


def _near(examined: Examined, splits: Texts) -> Iterator[Finding]:
    near = examined.near
    first, second = splits[near.first], splits[near.second]
    across = near_pairs(examined) & np.asarray((first != second) & (first != "") & (second != ""), bool)
    places = np.flatnonzero(across)
    if len(places):
        pairs = np.stack([near.first[places], near.second[places]], axis=1)
        out = dict.fromkeys(row for pair in pairs for row in less_held_out(pair, splits))
        yield Finding(
            "near-duplicates-across-splits",
            "warning",
            "leakage",
            len(places),
            f"{'' if near.complete else 'at least '}{counted(len(places), 'pair')} of near-duplicates "
            f"{verb(len(places), 'is', 'are')} in two splits",
            "Look at them: if they are the same picture, leave out the one in train.",
            images=examined.named(np.unique(pairs)),
            pairs=examined.pairs(places),
            leave_out=examined.named(out),
        )


def _across(rows: Rows, splits: Texts) -> list[tuple[int, int]]:
    """The first image of a group in one split with the first in each other."""
    firsts = [next((int(row) for row in rows if splits[row] == split), -1) for split in SPLITS]
    there = [row for row in firsts if row >= 0]
    return [(there[0], other) for other in there[1:]]


def _counts(splits: npt.NDArray[np.object_], rows: Rows) -> dict[str, int]:
    return {split: count for split in SPLITS if (count := int((splits[rows] == split).sum()))}
