"""Shapes drawn as masks into the cache, so that nothing after it knows of shapes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from medgraft.data.formats import file_of, image_size
from medgraft.data.layouts.shapes import Shape
from medgraft.data.layouts.unpacking import Progress, made_once
from medgraft.data.problems import refuse
from medgraft.errors import DataError, counted, listing

_VERSION = 1
_FOLDER = "masks"
_ONE_CLASS = 255
_MOST = 255


class Marked(NamedTuple):
    """A shape, the mask's value for it, and how an error names it."""

    shape: Shape
    value: int
    name: str


@dataclass(frozen=True)
class Sheet:
    """One image, and the shapes that are to be drawn for it.

    Attributes
    ----------
    image : its address.
    shapes : returns them for an image of a height and a width; raises DataError for one that cannot be drawn.
    size : height and width that the annotations were made for; None where they do not say.
    source : the file with the annotations.
    """

    image: str
    shapes: Callable[[int, int], Sequence[Marked]]
    size: tuple[int, int] | None
    source: Path


@dataclass(frozen=True)
class Drawn:
    """Masks that were drawn.

    Attributes
    ----------
    rows : positions of the sheets that have one; all, unless problems are collected.
    masks : the file for each of these.
    notes : what was met on the way.
    """

    rows: list[int]
    masks: list[str]
    notes: list[str]


def values_of(names: Sequence[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Give each class a value of a mask: 255 to a single one, else 1, 2, ... in their order.

    A class that is called background is one with what nobody outlined, which is 0.

    Returns
    -------
    Value by name, and the meaning of all values in the form of the option ``mask_values``.

    Raises
    ------
    DataError
        For more than 255 classes, or none but background.
    """
    classes = [name for name in names if name.casefold() != "background"]
    if not 1 <= len(classes) <= _MOST:
        raise DataError(f"there are {len(classes)} classes to outline, and a mask has room for 1 to {_MOST}.")
    values = {classes[0]: _ONE_CLASS} if len(classes) == 1 else {name: i for i, name in enumerate(classes, start=1)}
    meaning = {"0": "background"} | {str(value): name for name, value in values.items()}
    return dict.fromkeys(names, 0) | values, meaning


def draw_masks(sheets: Sequence[Sheet], key: Sequence[object], where: Path, progress: Progress) -> Drawn:
    """Draw a PNG mask for each sheet, or use those again that were drawn before.

    Larger shapes are drawn first, so that a smaller one lies on top of them; of equal ones the later lies on top.

    Parameters
    ----------
    key : what decides the masks beside the images' files: the annotations, and the value of each class.
    where : the file or folder with the annotations, to name in errors.

    Raises
    ------
    DataError
        Where images have another size than the annotations say, shapes cannot be drawn, or the cache cannot be
        written. Where problems are collected, such images are left out instead.
    """
    rows = list(range(len(sheets)))
    while True:
        chosen = [sheets[row] for row in rows]
        drawing = _Drawing(chosen, progress)
        files = [_file_state(sheet.image) for sheet in chosen]
        work = f"the masks of {where.name} cannot be drawn"
        try:
            folder, notes = made_once("masks", [_VERSION, *key, files], drawing.draw, work)
        except _UndrawableError as error:
            refuse("masks not drawn", f"{where}: {error}", (chosen[row].image for row in error.rows))
            rows = [row for position, row in enumerate(rows) if position not in error.rows]
            if not rows:
                raise DataError(f"{where}: {error}") from None
            continue
        names = _file_names(chosen)
        return Drawn(rows, [str(folder / _FOLDER / name) for name in names], notes)


class _UndrawableError(Exception):
    """Images whose masks cannot be drawn, and why."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.rows = frozenset(reasons)
        listed = "".join(f"\n  {reasons[row]}" for row in sorted(reasons)[:10])
        more = f"\n  and {len(reasons) - 10} more" if len(reasons) > 10 else ""
        masks = counted(len(reasons), "mask")
        super().__init__(f"{masks} cannot be drawn:{listed}{more}\nMend what is wrong, or take it out.")


@dataclass
class _Drawing:
    """The masks while they are drawn, and what is met; each row is drawn by one thread only."""

    sheets: Sequence[Sheet]
    progress: Progress
    reasons: dict[int, str] = field(default_factory=dict)
    leaving: dict[int, int] = field(default_factory=dict)
    nothing: dict[int, list[str]] = field(default_factory=dict)

    def draw(self, folder: Path) -> list[str]:
        """Draw all masks into a folder inside ``folder``; returns what to say of them."""
        (folder / _FOLDER).mkdir()
        names = _file_names(self.sheets)

        def one(row: int) -> None:
            try:
                self._draw(row, folder / _FOLDER / names[row])
            except DataError as error:
                self.reasons[row] = str(error)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for done, _ in enumerate(pool.map(one, range(len(self.sheets))), start=1):
                self.progress("drawing masks", done, len(self.sheets))
        if self.reasons:
            raise _UndrawableError(self.reasons)
        return list(self._said())

    def _draw(self, row: int, file: Path) -> None:
        sheet = self.sheets[row]
        height, width = image_size(sheet.image)
        if sheet.size is not None and sheet.size != (height, width):
            raise DataError(
                f"{sheet.image} is {width} x {height} pixels, and {sheet.source.name} says "
                f"{sheet.size[1]} x {sheet.size[0]}"
            )
        shapes = sorted(sheet.shapes(height, width), key=lambda marked: -marked.shape.area)
        mask = np.zeros((height, width), np.uint8)
        covering = [marked.shape.paint(mask, marked.value) for marked in shapes]
        leaving = sum(marked.shape.leaves(height, width) for marked in shapes)
        if leaving:
            self.leaving[row] = leaving
        if not all(covering):
            self.nothing[row] = [marked.name for marked, covers in zip(shapes, covering, strict=True) if not covers]
        Image.fromarray(mask).save(file, compress_level=1)

    def _said(self) -> Iterator[str]:
        if self.leaving:
            yield f"{counted(sum(self.leaving.values()), 'shape')} beyond the border of the image, cut off there"
        if self.nothing:
            names = [name for row in sorted(self.nothing) for name in self.nothing[row]]
            yield f"warning: {counted(len(names), 'shape')} without any pixel in the image: {listing(names, 3)}"


def _file_names(sheets: Sequence[Sheet]) -> list[str]:
    """Numbers keep them apart; the image's name is for people, as far as every file system takes it."""
    digits = max(5, len(str(len(sheets) - 1)))
    stems = (re.sub(r"[^A-Za-z0-9_.-]", "_", file_of(sheet.image).stem)[:60] for sheet in sheets)
    return [f"{row:0{digits}d}_{stem}.png" for row, stem in enumerate(stems)]


def _file_state(image: str) -> list[object]:
    file = file_of(image)
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"{file}: cannot be read any more ({error.strerror}).") from None
    return [image, status.st_size, status.st_mtime_ns]
