"""Files: those that are missing, empty or damaged, and what formats, sizes and depths there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.refusals import refusals
from medgraft.audit.wording import tally, verb
from medgraft.errors import counted, listing

STRIDE = 32
"""Pixels of an image that the last block of the usual encoders sees as one."""
_ASPECTS = 2.0
"""Shapes differ much where the widest is so many times as wide for its height as the narrowest."""


def check(examined: Examined) -> Checked:
    """Look at the files, as far as their headers and the reader tell."""
    found = [
        *refusals(examined, "files"),
        *_alone(examined),
        *_unreadable(examined),
        *_mixed(examined),
        *_small(examined),
        *_strays(examined),
    ]
    passed = () if any(finding.severity == "error" for finding in found) else ("every file is there and can be read",)
    return Checked(tuple(found), passed)


def _alone(examined: Examined) -> Iterator[Finding]:
    if examined.refused("one image"):
        yield Finding(
            "one-image",
            "error",
            "files",
            1,
            "there is one image in all",
            "Bring more: one to learn from and one to test on are the least, and fifty or more make sense.",
        )


def _unreadable(examined: Examined) -> Iterator[Finding]:
    images = examined.scan.images
    broken = ~examined.scan.readable
    empty = broken & (images["bytes"] == 0).to_numpy()
    for kind, rows, what, advice in (
        ("empty-files", np.flatnonzero(empty), "empty (0 bytes) or gone", "Fetch or copy them again."),
        (
            "unreadable-files",
            np.flatnonzero(broken & ~empty),
            "damaged, cut short or no image",
            "Fetch or save them again.",
        ),
    ):
        if len(rows):
            names = examined.named(rows)
            yield Finding(
                kind,
                "error",
                "files",
                len(rows),
                f"{counted(len(rows), 'file')} {verb(len(rows), 'is', 'are')} {what}",
                f"{advice} A training cannot begin before they are mended or left out.",
                images=names,
                leave_out=names,
                figures={"reasons": examined.reasons(rows, "image")},
            )


def _depths(examined: Examined) -> Iterator[Finding]:
    read = examined.scan.images[examined.scan.readable]
    depths = read["bits"].where(read["bits"] > 8, 8)
    if depths.nunique() > 1:
        rows = np.flatnonzero(examined.scan.readable)[(depths != depths.mode()[0]).to_numpy()]
        yield Finding(
            "mixed-depths",
            "warning",
            "files",
            len(rows),
            f"bit depths are mixed: {tally(f'of {bits} bits' for bits in depths)}",
            "Values are brought to one range, but scanners that differ in depth differ in more: look at both.",
            images=examined.named(rows),
            figures={str(k): int(v) for k, v in depths.value_counts().items()},
        )


def _mixed(examined: Examined) -> Iterator[Finding]:
    yield from _depths(examined)
    read = examined.scan.images[examined.scan.readable]
    if read["grey"].nunique() > 1:
        kinds = read["grey"].map({True: "grey", False: "colour"})
        yield Finding(
            "mixed-colour",
            "note",
            "files",
            int(kinds.value_counts().min()),
            f"grey and colour are mixed: {tally(kinds)}",
            "If colour goes with the source, a model can tell the sources apart; --channels 1 reads all as grey.",
            figures={str(k): int(v) for k, v in kinds.value_counts().items()},
        )
    if read["format"].nunique() > 1:
        yield Finding(
            "mixed-formats",
            "note",
            "files",
            int(read["format"].value_counts().iloc[1:].sum()),
            f"file formats are mixed: {tally(read['format'])}",
            "Formats compress differently; if one class has another format, a model can learn that (see shortcuts).",
            figures={str(k): int(v) for k, v in read["format"].value_counts().items()},
        )
    if len(read) and (aspect := read["width"] / read["height"]).max() > _ASPECTS * aspect.min():
        yield Finding(
            "mixed-shapes",
            "note",
            "files",
            int(aspect.round(2).nunique()),
            f"shapes range from {aspect.min():.2f} to {aspect.max():.2f} (width by height)",
            "Images are resized to a square, which stretches them by different amounts; crop them alike.",
            figures={"lowest": float(aspect.min()), "highest": float(aspect.max())},
        )


def _small(examined: Examined) -> Iterator[Finding]:
    images = examined.scan.images
    small = examined.scan.readable & (images[["height", "width"]].min(axis=1) < STRIDE).to_numpy()
    rows = np.flatnonzero(small)
    if len(rows):
        yield Finding(
            "tiny-images",
            "warning",
            "files",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'has', 'have')} a side below {STRIDE} pixels",
            f"An encoder's last block sees {STRIDE} pixels as one, so enlarging brings back nothing; thumbnails among "
            "larger images are often a mistake.",
            images=examined.named(rows),
        )


def _strays(examined: Examined) -> Iterator[Finding]:
    count = sum(examined.strays.values())
    if count:
        places = listing((f"{folder} ({number:,})" for folder, number in examined.strays.items()), 4)
        yield Finding(
            "unlisted-files",
            "note",
            "files",
            count,
            f"{counted(count, 'image')} beside the data {verb(count, 'is', 'are')} not used: {places}",
            "Nothing lists them, or they have no mask; look whether they were meant to be part of it.",
            figures=dict(examined.strays),
        )
