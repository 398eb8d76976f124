"""Pictures of an inspection's page: examples of findings, pairs side by side, and a contact sheet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Finding
from medgraft.audit.wording import shown
from medgraft.data import SPLITS
from medgraft.data.formats import read_mask
from medgraft.errors import DataError
from medgraft.report.overlay import Layer, Pixels, overlay
from medgraft.report.pictures import Picture, class_colours, displayed, encoded, labelled
from medgraft.report.rendering import data_uri

EXAMPLES = 4
"""Pictures, or pairs, of one finding."""
EXAMPLE_SIDE = 320
SHEET_SIDE = 176
SHEET = 96
"""Pictures on the contact sheet, about."""
MOST_ROWS = 40
"""Rows of the contact sheet; a row is a class in a split."""
_LEAST, _MOST = 2, 24
_SEED = 0


@dataclass(frozen=True)
class Example:
    """What stands for one finding: single pictures, or pairs of them."""

    pictures: tuple[Picture, ...] = ()
    pairs: tuple[tuple[Picture, Picture], ...] = ()


@dataclass(frozen=True)
class SheetRow:
    """One row of the contact sheet: what its images share, how many there are, and a sample of them."""

    title: str
    count: int
    pictures: tuple[Picture, ...]


class Pictures:
    """Draws images of a data set, several at a time.

    Parameters
    ----------
    examined : the data.
    synthetic : whether every picture is stamped as generated.
    """

    def __init__(self, examined: Examined, synthetic: bool) -> None:
        self.examined, self.synthetic = examined, synthetic
        self.row_of = {name: row for row, name in enumerate(examined.names)}

    def examples(self, findings: Sequence[Finding]) -> list[Example]:
        """A few pictures of each finding."""
        return self._parallel(self._example, findings)

    def sheet(self) -> list[SheetRow]:
        """A seeded sample of every class in every split, with masks outlined."""
        strata = strata_of(self.examined)[:MOST_ROWS]
        number = min(_MOST, max(_LEAST, SHEET // max(len(strata), 1)))
        rng = np.random.default_rng(_SEED)
        chosen = [np.sort(rng.permutation(rows)[:number]) for _, rows in strata]
        drawn = iter(self._parallel(self._thumbnail, [row for sample in chosen for row in sample]))
        return [
            SheetRow(title, len(rows), tuple(next(drawn) for _ in sample))
            for (title, rows), sample in zip(strata, chosen, strict=True)
        ]

    def _example(self, finding: Finding) -> Example:
        if finding.pairs:
            pairs = finding.pairs[:EXAMPLES]
            return Example(pairs=tuple((self._of_name(first), self._of_name(second)) for first, second in pairs))
        return Example(pictures=tuple(self._of_name(name) for name in finding.images[:EXAMPLES] if self._there(name)))

    def _there(self, name: str) -> bool:
        return name in self.row_of and bool(self.examined.scan.readable[self.row_of[name]])

    def _of_name(self, name: str) -> Picture:
        row = self.row_of[name]
        return self._picture(row, EXAMPLE_SIDE, self._about(row))

    def _thumbnail(self, row: int) -> Picture:
        return self._picture(row, SHEET_SIDE, self._id(row).rpartition("/")[2])

    def _picture(self, row: int, side: int, caption: str) -> Picture:
        table = self.examined.manifest.table
        try:
            pixels = displayed(Path(table["image"].iloc[row]), side, self.examined.window)
            outlined = "" if self.examined.scan.masks is None else ", its mask outlined"
            if outlined:
                pixels = _outlined(pixels, table["target"].iloc[row])
        except DataError as error:
            withheld = self.examined.manifest.withheld
            return Picture(caption, "", problem="cannot be read" if withheld else shown(str(error).rpartition("/")[2]))
        alt = f"Image {self._id(row)}{outlined}"
        return Picture(caption, alt, data_uri(encoded(labelled(pixels, self.synthetic), "jpeg"), "jpeg"))

    def _id(self, row: int) -> str:
        return shown(str(self.examined.manifest.table["id"].iloc[row]))

    def _about(self, row: int) -> str:
        """Id, label, group and split of an image."""
        examined = self.examined
        parts = [self._id(row)]
        if examined.labels is not None:
            parts.append(examined.labels[row] or "none")
        if examined.groups is not None:
            parts.append(f"group {examined.groups[row]}")
        if examined.splits is not None and examined.splits[row]:
            parts.append(examined.splits[row])
        return shown(" · ".join(map(str, parts)))

    def _parallel(self, draw: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return list(pool.map(draw, items))


def strata_of(examined: Examined) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """What the contact sheet has a row for: (title, readable rows of the table) of each class in each split."""
    readable = examined.scan.readable
    classes = examined.manifest.classes
    parts: list[tuple[str, npt.NDArray[np.bool_]]] = [("all images", readable)]
    if classes is not None:
        present = examined.presence.astype(bool)
        parts = [(name, present[:, k]) for k, name in enumerate(classes.names)]
        if classes.multilabel:
            parts.append(("none of the classes", np.asarray(~present.any(axis=1), bool)))
    if examined.splits is not None:
        split = examined.splits
        parts = [
            (f"{title} · {name or 'no split'}" if classes is not None else (name or "no split"), rows & (split == name))
            for title, rows in parts
            for name in (*SPLITS, "")
        ]
    strata = [(shown(title), np.flatnonzero(rows & readable)) for title, rows in parts]
    return [(title, rows) for title, rows in strata if len(rows)]


def _outlined(pixels: Pixels, mask: str) -> Pixels:
    """The image with every value of its mask but 0 outlined; a mask that cannot be read is left away."""
    try:
        values = read_mask(mask)
    except DataError:
        return pixels
    size = (pixels.shape[1], pixels.shape[0])
    small = cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    kinds = [value for value in np.unique(small)[:32] if value != 0]
    layers = [Layer(small == value, class_colours(len(kinds) > 1, k)[0]) for k, value in enumerate(kinds, start=1)]
    return overlay(pixels, layers, width=1 if max(size) <= SHEET_SIDE else 2)
