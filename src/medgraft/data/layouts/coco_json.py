"""One file of COCO instances: its images, categories and annotations, checked, and the shapes that these mean.

The format: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org, "Data format".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.data.layouts.shapes import FloatArray, IntArray, Outlines, Runs, Shape, unpacked_runs
from medgraft.errors import DataError, counted, listing

KEYS = ("images", "annotations", "categories")

_FAR = 1e9
"""No coordinate of an image is this large; beyond, whole numbers of floating point get gaps."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a file holds.

    Attributes
    ----------
    path : the file.
    digest : of its bytes.
    images : its entries of images, each with ``id`` and ``file_name``.
    categories : names by id, in the order of ids.
    of_image : the annotations of each image, by its id, in the file's order.
    """

    path: Path
    digest: str
    images: list[dict[str, Any]]
    categories: dict[Hashable, str]
    of_image: dict[Hashable, list[dict[str, Any]]]

    @property
    def counts(self) -> Counter[Hashable]:
        """How many annotations each category has, by its id."""
        return Counter(one["category_id"] for listed in self.of_image.values() for one in listed)


def read_annotations(path: Path) -> Annotations:
    """Read a file of COCO instances; outlines are looked at by :func:`shape_of` only.

    Raises
    ------
    DataError
        For a file that is no JSON or no COCO, has no image or no annotation, lists an image or a category twice, or
        whose annotations name images or categories that it does not list.
    """
    try:
        written = path.read_bytes()
        found = json.loads(written.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}).") from None
    images, annotations, categories = _lists(found, path)
    _refuse_doubled(images, "id", "images", path)
    _refuse_doubled(images, "file_name", "images", path)
    named = _categories(categories, path)
    of_image: dict[Hashable, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    _refuse_strangers(annotations, "image_id", of_image, "images", path)
    _refuse_strangers(annotations, "category_id", named, "categories", path)
    for one in annotations:
        of_image[one["image_id"]].append(one)
    return Annotations(path, hashlib.sha256(written).hexdigest(), images, named, of_image)


def by_number(number: Any) -> tuple[bool, Any]:
    """What ids are sorted by: numbers as numbers, before those that are texts."""
    return isinstance(number, str), number


def stated_size(image: dict[str, Any], path: Path) -> tuple[int, int] | None:
    """Height and width that the file says an image has; None where it says none."""
    size = image.get("height"), image.get("width")
    if size in ((None, None), (0, 0)):
        return None
    if not all(isinstance(side, int | float) and side > 0 and side == int(side) for side in size):
        raise DataError(f"{path}: the image {image['file_name']} has height {size[0]!r} and width {size[1]!r}.")
    return int(size[0] or 0), int(size[1] or 0)


def shape_of(annotation: dict[str, Any], height: int, width: int) -> Shape:
    """Return the shape of an annotation on an image of that size: its outline, or where it has none its box.

    Raises ValueError that says what is wrong with it.
    """
    outline = annotation.get("segmentation")
    if isinstance(outline, dict):
        return _runs(outline, height, width)
    if outline:
        return _polygons(outline)
    box = annotation.get("bbox")
    if not box:
        raise ValueError("it has neither an outline (segmentation) nor a box (bbox)")
    numbers = _numbers(box, "its box")
    if len(numbers) != 4 or (numbers[2:] < 0).any():
        raise ValueError(f"its box is {listing(box)}, and x, y, width and height are wanted")
    left, top, across, down = numbers.tolist()
    return Outlines.box(left, top, left + across, top + down)


def _polygons(outline: Any) -> Outlines:
    if not isinstance(outline, list) or not all(isinstance(part, list) for part in outline):
        raise ValueError("its outline is no list of polygons, each a list x, y, x, y, ...")
    parts = []
    for part in outline:
        numbers = _numbers(part, "its polygon")
        if len(numbers) % 2:
            raise ValueError(f"its polygon has {len(numbers)} numbers, and x and y come in pairs")
        if len(numbers) < 6:
            raise ValueError(f"its polygon has {len(numbers) // 2} corners, and three are the least")
        parts.append(numbers.reshape(-1, 2))
    return Outlines(tuple(parts))


def _runs(outline: dict[str, Any], height: int, width: int) -> Runs:
    counts, size = outline.get("counts"), outline.get("size")
    if size != [height, width]:
        raise ValueError(f"its RLE is of size {size}, and the image is [{height}, {width}] (height, width)")
    if isinstance(counts, str):
        runs = unpacked_runs(counts)
    elif isinstance(counts, list) and all(isinstance(count, int) for count in counts):
        runs = _whole_numbers(counts)
    else:
        raise ValueError("its RLE has no counts, which are a text or a list of whole numbers")
    if (runs < 0).any():
        raise ValueError("its RLE has a run of less than no pixel")
    if int(runs.sum()) != height * width:
        raise ValueError(f"its RLE is {int(runs.sum())} pixels long, and the image has {height * width}")
    return Runs(runs)


def _whole_numbers(counts: list[int]) -> IntArray:
    try:
        return np.array(counts, np.int64)
    except OverflowError:
        raise ValueError("its RLE has a run beyond all images") from None


def _numbers(values: Any, what: str) -> FloatArray:
    """The coordinates ``[n]``; anything but finite numbers is refused."""
    plain = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
    if not plain or not all(abs(value) < _FAR for value in values):
        raise ValueError(f"{what} holds what is no coordinate: {_strange(values)}")
    return np.array(values, np.float64)


def _strange(values: Any) -> str:
    listed: Sequence[Any] = values if isinstance(values, list) else [values]
    wrong = [value for value in listed if not isinstance(value, int | float) or not abs(value) < _FAR]
    return listing((repr(value)[:40] for value in wrong), 3)


def _lists(found: object, path: Path) -> tuple[list[dict[str, Any]], ...]:
    """The three lists of the file, each of objects."""
    if not isinstance(found, dict) or not all(isinstance(found.get(key), list) for key in KEYS):
        what = f"an object with {listing(found) or 'nothing'}" if isinstance(found, dict) else type(found).__name__
        raise DataError(f"{path}: is no file of COCO instances: it holds {what}; wanted are the lists {listing(KEYS)}.")
    for key, needed in zip(KEYS, (("id", "file_name"), ("image_id", "category_id"), ("id", "name")), strict=True):
        for number, entry in enumerate(found[key]):
            lacking = needed if not isinstance(entry, dict) else [name for name in needed if not _sound(entry, name)]
            if lacking:
                raise DataError(f"{path}: entry {number} (from 0) of its {key} has no {' and no '.join(lacking)}.")
        if not found[key]:
            hint = " A test set whose annotations are kept back cannot be scored." if key == "annotations" else ""
            raise DataError(f"{path}: its list of {key} is empty, so there is nothing to learn from it.{hint}")
    return tuple(found[key] for key in KEYS)


def _sound(entry: dict[str, Any], name: str) -> bool:
    value = entry.get(name)
    if name in ("file_name", "name"):
        return isinstance(value, str) and bool(value.strip())
    return isinstance(value, int | str)


def _categories(categories: list[dict[str, Any]], path: Path) -> dict[Hashable, str]:
    _refuse_doubled(categories, "id", "categories", path)
    return {one["id"]: one["name"].strip() for one in sorted(categories, key=lambda one: by_number(one["id"]))}


def _refuse_doubled(entries: Iterable[dict[str, Any]], key: str, what: str, path: Path) -> None:
    doubled = [value for value, times in Counter(entry[key] for entry in entries).items() if times > 1]
    if doubled:
        raise DataError(f"{path}: several of its {what} have the same {key}: {listing(doubled)}.")


def _refuse_strangers(
    annotations: list[dict[str, Any]], key: str, known: Iterable[Hashable], what: str, path: Path
) -> None:
    there = set(known)
    strange = [one for one in annotations if one[key] not in there]
    if strange:
        ids = listing(dict.fromkeys(one[key] for one in strange))
        raise DataError(
            f"{path}: {counted(len(strange), 'annotation')} with a {key} that none of its {what} has: {ids}."
        )
