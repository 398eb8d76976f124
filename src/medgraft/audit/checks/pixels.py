"""Pixels: images that are uniform, nearly so, blown out, or much darker or brighter than the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from medgraft.audit.examined import Examined, Rows
from medgraft.audit.findings import Checked, Finding
from medgraft.audit.wording import percent, verb
from medgraft.errors import counted

FLAT = 4 / 255
"""Images whose 98 middle percent span less of the range show hardly anything."""
BLOWN = 0.5
"""Share of pixels at the end of the range from which an image counts as blown out."""
_USUAL = 0.2
"""... where the median image has no more than this share there."""
_FAR = 6.0
"""Robust standard deviations from the median brightness, ... """
_APART = 0.15
"""... and share of the range, from which an image is far from the rest."""
_KINDS = 0.1
"""Images far from the rest that are a larger share than this are no outliers but a kind of their own."""
_TO_SD = 1.4826  # median absolute deviation of a normal distribution to its standard deviation


def check(examined: Examined) -> Checked:
    """Look at each image's brightness and contrast."""
    found = [*_flat(examined), *_blown(examined), *_outliers(examined)]
    return Checked(
        tuple(found),
        ()
        if any(finding.severity == "warning" for finding in found)
        else ("no image is blank, blown out or far from the rest",),
    )


def _flat(examined: Examined) -> Iterator[Finding]:
    scan = examined.scan
    uniform = scan.readable & (scan.images["low"] == scan.images["high"]).to_numpy()
    span = scan.levels[:, 4] - scan.levels[:, 0]
    rows = np.flatnonzero(uniform)
    if len(rows):
        names = examined.named(rows)
        yield Finding(
            "blank-images",
            "warning",
            "pixels",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'is', 'are')} blank: all pixels have one value",
            "Leave them out: there is nothing in them to learn from, and a label on nothing misleads.",
            images=names,
            leave_out=names,
        )
    rows = np.flatnonzero(scan.readable & ~uniform & (span < FLAT))
    if len(rows):
        yield Finding(
            "flat-images",
            "warning",
            "pixels",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'has', 'have')} hardly any contrast "
            f"(98% of the pixels within {percent(FLAT)} of the range)",
            "Look at them: an empty frame, a closed shutter, or values in a small part of a large range.",
            images=examined.named(rows),
        )


def _blown(examined: Examined) -> Iterator[Finding]:
    scan = examined.scan
    flat = scan.levels[:, 4] - scan.levels[:, 0] < FLAT
    for kind, column, what in (("white-images", "white", "brightest"), ("black-images", "black", "darkest")):
        share = scan.images[column].to_numpy(np.float64)
        if not scan.readable.any() or np.median(share[scan.readable]) > _USUAL:
            continue
        rows = np.flatnonzero(scan.readable & ~flat & (share > BLOWN))
        if len(rows):
            yield Finding(
                kind,
                "warning",
                "pixels",
                len(rows),
                f"{counted(len(rows), 'image')} {verb(len(rows), 'has', 'have')} more than {percent(BLOWN)} of the "
                f"pixels at the {what} value",
                "Look at them: over- or underexposed, a wrong window, or large borders.",
                images=_ordered(examined, rows, -share),
            )


def _outliers(examined: Examined) -> Iterator[Finding]:
    scan = examined.scan
    if scan.readable.sum() < 10:
        return
    brightness = scan.means.mean(axis=1, dtype=np.float64)
    middle = np.median(brightness[scan.readable])
    away = np.abs(brightness - middle)
    spread = _TO_SD * np.median(away[scan.readable])
    flat = scan.levels[:, 4] - scan.levels[:, 0] < FLAT
    rows = np.flatnonzero(scan.readable & ~flat & (away > max(_FAR * spread, _APART)))
    share = len(rows) / scan.readable.sum()
    figures = {"median": float(middle), "spread": float(spread), "share": float(share)}
    if share > _KINDS:
        yield Finding(
            "kinds-of-brightness",
            "note",
            "pixels",
            len(rows),
            f"{counted(len(rows), 'image')} ({percent(share)}) are far darker or brighter than the others: of another "
            "kind?",
            "Two stains or two scanners in one set: see that every split has both, and score them apart.",
            images=_ordered(examined, rows, -away),
            figures=figures,
        )
    elif len(rows):
        yield Finding(
            "brightness-outliers",
            "warning",
            "pixels",
            len(rows),
            f"{counted(len(rows), 'image')} {verb(len(rows), 'is', 'are')} far darker or brighter than the rest",
            "Look at them: inverted, another window, another kind of image, or one that does not belong here.",
            images=_ordered(examined, rows, -away),
            figures=figures,
        )


def _ordered(examined: Examined, rows: Rows, key: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """Names of the images, the most striking first."""
    return examined.named(rows[np.argsort(key[rows], kind="stable")])
