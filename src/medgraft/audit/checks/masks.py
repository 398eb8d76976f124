"""Masks: missing or damaged ones, sizes, values nobody explained, and shapes that are hardly meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from medgraft.audit.examined import Examined, Rows
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.refusals import refusals
from medgraft.audit.wording import percent, tally, verb
from medgraft.data import MaskClasses
from medgraft.errors import DataError, counted, listing

FULL = 0.995
"""Share of foreground from which a mask covers everything."""
TINY = 16
"""Pixels of foreground below which a mask is a speck."""
INVERTED = 0.5
"""A mask that touches all borders and has more foreground than this may be inverted."""
_DOUBTFUL = (
    (
        "full-masks",
        "covers the whole image",
        "cover the whole image",
        "Look whether these are inverted, or stand for something else.",
    ),
    (
        "tiny-masks",
        f"outlines fewer than {TINY} pixels",
        f"outline fewer than {TINY} pixels",
        "Specks left over from drawing? At a smaller size they vanish.",
    ),
    (
        "inverted-masks",
        "touches every border and may be inverted",
        "touch every border and may be inverted",
        "Look whether the background is outlined instead of the finding.",
    ),
)
"""Shapes that are hardly meant: kind, the sentence for one mask and for several, what to do."""


def check(examined: Examined) -> Checked:
    """Look at the masks; nothing to say where images have labels."""
    if examined.scan.masks is None:
        return Checked()
    masks = examined.scan.masks
    found = [
        *_refused(examined),
        *_unreadable(examined, masks),
        *_sizes(examined, masks),
        *_values(examined, masks),
        *_shapes(examined, masks),
        *_shared(examined, masks),
        *_misaligned(examined, masks),
    ]
    passed = []
    if not any(finding.severity == "error" for finding in found):
        passed.append("every mask fits its image, and its values are explained")
    if not any(finding.severity == "warning" for finding in found):
        passed.append("no mask is empty, full, a speck or out of place")
    return Checked(tuple(found), tuple(passed))


def _refused(examined: Examined) -> Iterator[Finding]:
    """As for other topics; where a mask could not be made of what is there, the reader knows best why."""
    for finding in refusals(examined, "masks"):
        said = "" if examined.manifest.withheld else _reason(examined, finding.kind)  # it names the files
        yield replace(finding, advice=said or finding.advice)


def _reason(examined: Examined, kind: str) -> str:
    if kind == "masks-not-drawn":
        return " ".join(examined.said_of("masks not drawn").split())
    if kind == "masks-elsewhere":
        return f"Resample the mask to its volume, or leave both out. {examined.said_of('masks elsewhere')}".rstrip()
    return ""


def _unreadable(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    rows = np.flatnonzero((masks["error"] != "").to_numpy())
    if len(rows):
        names = examined.named(rows)
        yield Finding(
            "unreadable-masks",
            "error",
            "masks",
            len(rows),
            f"{counted(len(rows), 'mask')} cannot be read",
            "Save them anew, as grey levels or palette indices; a training cannot begin before.",
            images=names,
            leave_out=names,
            figures={"reasons": examined.reasons(rows, "target")},
        )


def _sizes(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    other = (masks["error"] == "").to_numpy() & ~masks["same_size"].to_numpy(bool) & examined.scan.readable
    rows = np.flatnonzero(other)
    if len(rows):
        names = examined.named(rows)
        yield Finding(
            "mask-sizes",
            "error",
            "masks",
            len(rows),
            f"{counted(len(rows), 'mask')} {verb(len(rows), 'has', 'have')} another size than "
            f"{verb(len(rows), 'its image', 'their images')}",
            "Draw them anew at the image's size; a mask that is stretched to fit lies beside what it outlines.",
            images=names,
            leave_out=names,
        )


def _values(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    """Values that no rule explains: the one that was given, or the one that most masks keep to."""
    read = np.flatnonzero((masks["error"] == "").to_numpy())
    if not len(read):
        return
    classes = examined.mask_classes or _usual(masks.iloc[read])
    if classes is None:
        values: dict[int, str] = {}
        for row in read:
            for value in masks["values"].iloc[row]:
                values.setdefault(value, examined.names[row])
        if set(values) == {0}:  # all are empty, which is said elsewhere
            return
        yield Finding("mask-values", "error", "masks", len(read), *_unexplained(values), figures={"values": [*values]})
        return
    strange = [
        int(row) for row in read if not _explains(classes, masks["values"].iloc[row], masks["value_count"].iloc[row])
    ]
    if strange:
        names = examined.named(strange)
        found = sorted({v for row in strange for v in masks["values"].iloc[row] if not _explains(classes, (v,), 1)})
        yield Finding(
            "mask-values",
            "error",
            "masks",
            len(strange),
            f"{counted(len(strange), 'mask')} {verb(len(strange), 'holds', 'hold')} values that the others do not: "
            f"{listing(found, 5)}",
            f"The rule is {classes.rule}. Mend these masks, or say what the values mean with --mask-values.",
            images=names,
            leave_out=names,
            figures={"values": found},
        )


def _usual(masks: pd.DataFrame) -> MaskClasses | None:
    """The binary rule that nine of ten masks keep to."""
    for high in (255, 1):
        kept = masks["values"].map(lambda values: set(values) <= {0, high})  # noqa: B023
        if kept.mean() >= 0.9 and any(high in values for values in masks["values"][kept]):
            return MaskClasses(("background", "foreground"), ((0, 0, 0), (high, high, 1)))
    return None


def _unexplained(values: dict[int, str]) -> tuple[str, str]:
    """A sentence and what to do, as the training has it."""
    try:
        MaskClasses.infer(set(values), values)
    except DataError as error:
        sentence, _, advice = str(error).partition(" Map them")
        return sentence.removesuffix("."), f"Map them{advice}" if advice else ""
    return f"some masks hold {listing(sorted(values))}, and others do not", "Save all masks with the same two values."


def _explains(classes: MaskClasses, values: tuple[int, ...], count: int) -> bool:
    return count <= len(values) and all(any(lo <= v <= hi for lo, hi, _ in classes.ranges) for v in values)


def _shapes(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    read = (masks["error"] == "").to_numpy()
    share = masks["foreground"].to_numpy(np.float64)
    pixels = share * masks["height"].to_numpy() * masks["width"].to_numpy()
    borders = masks[["top", "bottom", "left", "right"]].to_numpy(bool).all(axis=1)
    full = read & (share >= FULL)
    yield from _empty(examined, np.flatnonzero(read & (share == 0)), int(read.sum()))
    outside = {
        "full-masks": full,
        "tiny-masks": read & (share > 0) & (pixels < TINY),
        "inverted-masks": read & borders & ~full & (share > INVERTED),
    }
    for kind, one, many, advice in _DOUBTFUL:
        rows = np.flatnonzero(outside[kind])
        if len(rows):
            sentence = f"{counted(len(rows), 'mask')} {verb(len(rows), one, many)}"
            yield Finding(kind, "warning", "masks", len(rows), sentence, advice, images=examined.named(rows))
    rows = np.flatnonzero(read & borders & ~full & (share <= INVERTED))
    if len(rows):
        yield Finding(
            "masks-at-borders",
            "note",
            "masks",
            len(rows),
            f"{counted(len(rows), 'mask')} {verb(len(rows), 'touches', 'touch')} every border of the image",
            "Usual where an image shows many things at once; of a single thing, look whether it is cut off.",
            images=examined.named(rows),
        )


def _empty(examined: Examined, rows: Rows, read: int) -> Iterator[Finding]:
    names = examined.named(rows)
    if len(rows) and len(rows) == read:
        yield Finding(
            "empty-masks",
            "error",
            "masks",
            len(rows),
            "every mask is empty",
            "Nothing can be learned from them.",
            images=names,
        )
    elif len(rows):
        yield Finding(
            "empty-masks",
            "warning",
            "masks",
            len(rows),
            f"{counted(len(rows), 'mask')} {verb(len(rows), 'is', 'are')} empty ({percent(len(rows) / read)})",
            "Right where there is nothing to outline; a forgotten outline teaches a model to miss what is there.",
            images=names,
        )


def _shared(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    """One drawing under several images that are no copies of each other."""
    drawn = (masks["error"] == "").to_numpy() & ((masks["foreground"] > 0) & (masks["foreground"] < FULL)).to_numpy()
    table = pd.DataFrame({"digest": masks["digest"], "cluster": examined.near.clusters, "row": np.arange(len(masks))})
    rows: list[int] = []
    table = table[drawn]
    for _, part in table[table["digest"].duplicated(keep=False)].groupby("digest"):
        alike = part["cluster"].nunique() == 1 and part["cluster"].iloc[0] >= 0
        if not alike:
            rows += part["row"].tolist()
    if rows:
        yield Finding(
            "shared-masks",
            "warning",
            "masks",
            len(rows),
            f"{counted(len(rows), 'image')} share a mask with another image that looks different",
            "Of two different images at least one has the wrong mask; find the right one, or leave both out.",
            images=examined.named(rows),
        )


def _misaligned(examined: Examined, masks: pd.DataFrame) -> Iterator[Finding]:
    rows = np.flatnonzero((masks["better"] != "").to_numpy())
    if len(rows):
        gain = (masks["better_fit"] - masks["fit"]).to_numpy(np.float64)
        ordered = rows[np.argsort(-gain[rows], kind="stable")]
        yield Finding(
            "masks-out-of-place",
            "warning",
            "masks",
            len(rows),
            f"{counted(len(rows), 'mask')} would fit better: {tally(map(_move, masks['better'].iloc[rows]))}",
            "Look at them: the image or the mask was turned or flipped after drawing.",
            images=examined.named(ordered),
            figures={examined.names[row]: str(masks["better"].iloc[row]) for row in ordered},
        )


def _move(better: str) -> str:
    """What would make a mask fit, without by how many pixels, which differs from mask to mask."""
    return "moved" if better.startswith("moved") else better
