"""One file of Pascal VOC annotations: the objects of an image and their boxes.

The format: Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from medgraft.errors import DataError


@dataclass(frozen=True)
class Thing:
    """An object in an image.

    Attributes
    ----------
    name : its class.
    box : left, top, right and bottom edge in pixels, counted from 0 and without the last, as :mod:`shapes` has them.
    """

    name: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Description:
    """What a file says of an image.

    Attributes
    ----------
    path : the file.
    size : height and width; None where it does not say.
    things : in the file's order.
    digest : of the file's bytes.
    """

    path: Path
    size: tuple[int, int] | None
    things: tuple[Thing, ...]
    digest: bytes

    @property
    def names(self) -> list[str]:
        """The class of each thing."""
        return [thing.name for thing in self.things]


def read_description(path: Path) -> Description:
    """Read the file.

    VOC counts pixels from 1 and means the last ones too, so a box from 1 to 1 is one pixel wide.

    Raises
    ------
    DataError
        For a file that is no XML, has a document type (which may hide what blows up when it is read), or is no VOC
        annotation, for an object without a name or a box, and for a box that ends before it begins.
    """
    try:
        written = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    root = _parsed(path, written)
    if root.tag != "annotation":
        raise DataError(f"{path}: begins with <{root.tag}>, and a VOC file begins with <annotation>.")
    things = tuple(_thing(element, number, path) for number, element in enumerate(root.findall("object"), start=1))
    return Description(path, _size(root, path), things, hashlib.sha256(written).digest())


class _NoDocumentType(ElementTree.TreeBuilder):
    """Entities are declared in a document type, and those that hold each other grow beyond any memory."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ValueError("it has a document type (DOCTYPE), which no annotation needs")


def _parsed(path: Path, written: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_NoDocumentType())
    try:
        parser.feed(written)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: cannot be read as XML ({error}).") from None
    return root


def _thing(element: ElementTree.Element, number: int, path: Path) -> Thing:
    name = " ".join(_text(element, "name").split())
    if not name:
        raise DataError(f"{path}: object {number} has no name.")
    box = element.find("bndbox")
    if box is None:
        raise DataError(f"{path}: object {number} ({name}) has no box (bndbox).")
    left, top, right, bottom = (_number(box, edge, number, path) for edge in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise DataError(f"{path}: the box of object {number} ({name}) ends before it begins.")
    return Thing(name, (left - 1, top - 1, right, bottom))


def _number(box: ElementTree.Element, edge: str, number: int, path: Path) -> float:
    text = _text(box, edge)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e9:
        raise DataError(f"{path}: the box of object {number} has {edge} {text!r}, which is no coordinate.")
    return value


def _size(root: ElementTree.Element, path: Path) -> tuple[int, int] | None:
    """Some programs leave the size out, and some write 0."""
    texts = [_text(root, f"size/{side}") for side in ("height", "width")]
    if all(text in ("", "0") for text in texts):
        return None
    try:
        height, width = map(int, texts)
    except ValueError:
        raise DataError(f"{path}: has height {texts[0]!r} and width {texts[1]!r}.") from None
    return height, width


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
