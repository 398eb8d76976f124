"""Which images a list of images to exclude takes out, by fixed rules.

- What cannot be read, has no file, mask or label, or shows nothing, goes.
- Of exact duplicates that agree, one stays: that of the split that is held out furthest (test, then val, then train),
  the first in the table among those. The others go.
- Exact duplicates whose labels differ all go, as nobody knows which label is right.
- Of near-duplicates in two splits, the one in the split that is held out less goes; within a split, none does.
- Of a patient in two splits, the images in the splits that are held out less go.
"""

from __future__ import annotations

from collections.abc import Sequence

from medgraft.audit.examined import Rows, Texts
from medgraft.audit.findings import Finding

_HELD_OUT = {"test": 0, "val": 1, "train": 2}
"""Rank of a split by how far its images are kept from the training; what has none comes last."""


def held_out(splits: Texts | None, rows: Rows) -> list[int]:
    """The rank of the split of each row: 0 for test, 1 for val, 2 for train, 3 for none."""
    return [3 if splits is None else _HELD_OUT.get(str(splits[row]), 3) for row in rows]


def further_copies(rows: Rows, splits: Texts | None) -> list[int]:
    """The rows of a group of equal images without the one that stays."""
    ranks = held_out(splits, rows)
    kept = min(range(len(rows)), key=lambda place: (ranks[place], place))
    return [int(row) for place, row in enumerate(rows) if place != kept]


def less_held_out(rows: Rows, splits: Texts) -> list[int]:
    """The rows that are not in the split that is held out furthest among them; rows without a split stay."""
    ranks = held_out(splits, rows)
    known = [rank for rank in ranks if rank < 3]
    return [int(row) for rank, row in zip(ranks, rows, strict=True) if rank < 3 and rank > min(known)]


def exclusion(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Pairs (image, why) of all that goes, each image once, for its first reason."""
    reasons: dict[str, str] = {}
    for finding in findings:
        for name in finding.leave_out:
            reasons.setdefault(name, finding.kind)
    return list(reasons.items())
