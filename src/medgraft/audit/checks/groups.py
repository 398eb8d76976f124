"""Groups (patients): whether they are known, how many there are, and how the images are spread over them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.wording import percent, verb
from medgraft.errors import counted, listing

FEW = 10
"""Fewer groups than this give no interval to speak of."""
MANY = 5
"""Images a group, in the mean, from which it is said that groups count and not images."""
LARGE = 0.3
"""A group with a larger share of all images decides the scores."""
_NAMES = re.compile(r"patient|subject|person|case|study|source|donor|animal|slide|group|exam|accession|lesion_id", re.I)
"""What columns are called that may tell images apart that belong together."""


def check(examined: Examined) -> Checked:
    """Look at the groups, or for a column that may hold them."""
    if examined.groups is None:
        return Checked(tuple(_unknown(examined)))
    found = [*_few(examined), *_alone(examined), *_large(examined), *_alike(examined), *_several_labels(examined)]
    passed = () if any(finding.severity != "note" for finding in found) else ("groups (patients) are known",)
    return Checked(tuple(found), passed)


def candidates(table: pd.DataFrame) -> dict[str, int]:
    """Columns whose name and values look like groups, and how many values they have."""
    found = {}
    for column in map(str, table.columns.difference(["id", "image", "target", "group", "split"], sort=False)):
        values = table[column].astype(str)
        if _NAMES.search(column) and not (values == "").any() and FEW <= values.nunique() < len(table):
            found[column] = int(values.nunique())
    return found


def _unknown(examined: Examined) -> Iterator[Finding]:
    found = candidates(examined.manifest.table)
    if found:
        column, number = min(found.items(), key=lambda pair: pair[1])
        name = column.removeprefix("csv_")
        yield Finding(
            "groups-not-read",
            "warning",
            "groups",
            number,
            f"patients are not known, but column {name} may name them: {number:,} values for {len(examined):,} images",
            f"If it does, say --group {name}, so that the images of a patient stay in one split.",
            figures=found,
        )
    else:
        yield Finding(
            "groups-unknown",
            "note",
            "groups",
            len(examined),
            "patients are unknown: a split is by image",
            "If several images show one patient, scores come out too good. Add a column with the patient and name it "
            "with --group.",
        )


def _few(examined: Examined) -> Iterator[Finding]:
    assert examined.groups is not None
    number = len(set(examined.groups))
    if number == 1:
        yield Finding(
            "one-group",
            "error",
            "groups",
            1,
            f"all images are of one group ({examined.groups[0]})",
            "Nothing is left to test on that the model has not seen; name another column, or leave out --group.",
        )
    elif number < FEW:
        yield Finding(
            "few-groups",
            "warning",
            "groups",
            number,
            f"there are only {number} groups (patients)",
            "Images of one patient are alike, so it is patients that count: intervals will be wide, and splits uneven.",
        )


def _alone(examined: Examined) -> Iterator[Finding]:
    """Images whose group was blank; the layouts let each stand alone."""
    table = examined.manifest.table
    rows = np.flatnonzero((table["group"] == "image " + table["id"].astype(str)).to_numpy())
    if len(rows):
        yield Finding(
            "blank-groups",
            "warning",
            "groups",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'has', 'have')} no group (patient); each counts as one of "
            "its own",
            "Fill the column in: an image of a known patient may otherwise get into another split.",
            images=examined.named(rows),
        )


def _large(examined: Examined) -> Iterator[Finding]:
    sizes = pd.Series(examined.groups).value_counts()
    if len(sizes) > 1 and sizes.iloc[0] > max(LARGE * len(examined), 2):
        share = sizes.iloc[0] / len(examined)
        yield Finding(
            "large-group",
            "warning",
            "groups",
            int(sizes.iloc[0]),
            f"one group ({sizes.index[0]}) has {percent(share)} of all images",
            "The split it falls into is hardly about anybody else; take fewer of its images.",
            figures={"share": float(share)},
        )


def _alike(examined: Examined) -> Iterator[Finding]:
    """Many images of few patients, as where copies of one picture were turned and cropped to make more."""
    groups = examined.groups
    assert groups is not None
    number = len(set(groups))
    if number < FEW or len(examined) < MANY * number:
        return
    classes = examined.manifest.classes
    by_class = {}
    if classes is not None:
        present = examined.presence.astype(bool)
        by_class = {name: len(set(groups[present[:, k]])) for k, name in enumerate(classes.names)}
    shown = f" ({listing(f'{name} {count:,}' for name, count in by_class.items())})" if by_class else ""
    yield Finding(
        "few-groups-many-images",
        "warning",
        "groups",
        number,
        f"{len(examined):,} images come from only {number:,} groups{shown}",
        "It is groups that count, not images: copies and turns of one picture bring little. Name the group in fit, or "
        "the split is by image and scores come out far too good.",
        figures={"groups": number, "groups_by_class": by_class},
    )


def _several_labels(examined: Examined) -> Iterator[Finding]:
    classes = examined.manifest.classes
    if classes is None or classes.multilabel:
        return
    kinds = examined.manifest.table.groupby("group")["target"].nunique()
    several = kinds.index[kinds > 1]
    if len(several):
        yield Finding(
            "groups-of-several-labels",
            "note",
            "groups",
            len(several),
            f"{counted(len(several), 'group')} of {len(kinds):,} {verb(len(several), 'has', 'have')} images of more "
            f"than one class",
            "That may be right (before and after, left and right). If a label is of the patient, look at these: "
            f"{listing(several, 5)}.",
            figures={"groups": len(kinds)},
        )
