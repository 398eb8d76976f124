"""Duplicates: the same pixels, or nearly the same picture, more than once; with other labels, or in other patients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from medgraft.audit.examined import Examined, Rows
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.hashing import TURNS
from medgraft.audit.remedy import further_copies
from medgraft.audit.wording import verb
from medgraft.errors import counted


def check(examined: Examined) -> Checked:
    """Look at copies; those in different splits are the matter of :mod:`medgraft.audit.checks.leakage`."""
    found = [*_exact(examined), *_near(examined)]
    conflicts = any(finding.kind.startswith("conflicting") for finding in found)
    passed = [] if found else ["no image is there twice"]
    if not conflicts and examined.labels is not None:
        passed.append("no copies with different labels")
    return Checked(tuple(found), tuple(passed))


def conflicting(examined: Examined, rows: Rows) -> bool:
    """Whether equal images have different labels."""
    return examined.labels is not None and len(set(examined.labels[rows])) > 1


def near_pairs(examined: Examined) -> npt.NDArray[np.bool_]:
    """[m], which pairs of near-duplicates are no exact ones."""
    first, second = examined.exact[examined.near.first], examined.exact[examined.near.second]
    return np.asarray((first < 0) | (first != second), bool)


def _exact(examined: Examined) -> Iterator[Finding]:
    groups = [rows for rows in examined.copies if not conflicting(examined, rows)]
    if groups:
        further = [row for rows in groups for row in further_copies(rows, examined.splits)]
        yield Finding(
            "exact-duplicates",
            "warning",
            "duplicates",
            len(further),
            f"{counted(len(further), 'image')} {verb(len(further), 'is an exact copy', 'are exact copies')} of another "
            "(same pixels)",
            "Keep one of each: copies count twice in training, and in every score.",
            images=examined.named(row for rows in groups for row in rows),
            pairs=_with_first(examined, groups),
            leave_out=examined.named(further),
            figures={"groups": len(groups)},
        )
    at_odds = [rows for rows in examined.copies if conflicting(examined, rows)]
    if at_odds:
        images = examined.named(row for rows in at_odds for row in rows)
        yield Finding(
            "conflicting-labels",
            "error",
            "duplicates",
            len(images),
            f"{counted(len(images), 'image')} {verb(len(images), 'is', 'are')} the same as another that has another "
            "label",
            "Find the right label and keep one; where nobody knows it, leave all of them out.",
            images=images,
            pairs=_with_first(examined, at_odds),
            leave_out=images,
            figures={"groups": len(at_odds)},
        )
    yield from _other_masks(examined)


def _other_masks(examined: Examined) -> Iterator[Finding]:
    masks = examined.scan.masks
    if masks is None:
        return
    digests = masks["digest"].to_numpy()
    groups = [rows for rows in examined.copies if len(set(digests[rows])) > 1]
    if groups:
        images = examined.named(row for rows in groups for row in rows)
        yield Finding(
            "conflicting-masks",
            "warning",
            "duplicates",
            len(images),
            f"{counted(len(images), 'image')} {verb(len(images), 'is', 'are')} the same as another that has another "
            "mask",
            "Two readers of one image? Keep one outline of each, or the readers' disagreement counts as error.",
            images=images,
            pairs=_with_first(examined, groups),
        )


def _near(examined: Examined) -> Iterator[Finding]:
    near = examined.near
    places = np.flatnonzero(near_pairs(examined))
    if not len(places):
        return
    groups, labels = examined.groups, examined.labels
    apart = places[_differ(groups, near.first[places], near.second[places])]
    ordered = [*apart, *np.setdiff1d(places, apart)]
    least = "" if near.complete else "at least "
    rest = "" if groups is None else f", {len(apart):,} of them between different patients"
    yield Finding(
        "near-duplicates",
        "warning",
        "duplicates",
        len(places),
        f"{least}{counted(len(places), 'pair')} of near-duplicates{rest}",
        "Look at them. Of one patient that is usual, and a split by patient keeps them together; between patients it "
        "is a copy under another name, or a frame that all images share.",
        images=_members(examined, places),
        pairs=examined.pairs(ordered),
        figures={
            "between_groups": len(apart),
            "distances": [int(distance) for distance in near.distance[ordered]],
            "turns": [TURNS[turn] for turn in near.turn[ordered]],
        },
    )
    at_odds = places[_differ(labels, near.first[places], near.second[places])]
    if len(at_odds):
        yield Finding(
            "conflicting-near-duplicates",
            "warning",
            "duplicates",
            len(at_odds),
            f"{counted(len(at_odds), 'pair')} of near-duplicates {verb(len(at_odds), 'has', 'have')} different labels",
            "Look at them: if they show the same thing, one label is wrong.",
            images=_members(examined, at_odds),
            pairs=examined.pairs(at_odds),
        )


def _differ(values: npt.NDArray[np.object_] | None, first: Rows, second: Rows) -> npt.NDArray[np.bool_]:
    if values is None:
        return np.zeros(len(first), bool)
    return np.asarray(values[first] != values[second], bool)


def _members(examined: Examined, places: Rows) -> tuple[str, ...]:
    rows = np.unique(np.concatenate([examined.near.first[places], examined.near.second[places]]))
    return examined.named(rows)


def _with_first(examined: Examined, groups: list[Rows]) -> tuple[tuple[str, str], ...]:
    """Pairs of the first image of each group with each of the others; those of most groups come first."""
    names = examined.names
    most = max(map(len, groups))
    places = (place for place in range(1, most))
    return tuple((names[rows[0]], names[rows[place]]) for place in places for rows in groups if place < len(rows))
