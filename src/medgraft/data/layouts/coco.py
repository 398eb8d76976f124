"""Images with COCO annotations: outlines or boxes as masks, or the categories that an image has as its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data.exclusion import left_out
from medgraft.data.formats.raster import IMAGE_SUFFIXES
from medgraft.data.labels import LabelClasses
from medgraft.data.layouts.coco_files import find_annotations, find_image, image_places, root_of, splits_of
from medgraft.data.layouts.coco_json import Annotations, by_number, read_annotations, shape_of, stated_size
from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.drawn_masks import Marked, Sheet, draw_masks, values_of
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.label_values import presence_labels
from medgraft.data.layouts.matching import unique_ids
from medgraft.data.layouts.unpacking import Progress
from medgraft.data.manifest import SPLITS, Manifest
from medgraft.data.problems import refuse
from medgraft.errors import DataError, counted, listing


@dataclass(frozen=True)
class _Listed:
    """An image that a file of annotations lists."""

    image: str
    entry: dict[str, Any]
    of: Annotations
    split: str

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """What is said of it."""
        return self.of.of_image[self.entry["id"]]

    @property
    def names(self) -> list[str]:
        """The category of each of these."""
        return [self.of.categories[one["category_id"]] for one in self.annotations]


def recognises(root: Path) -> bool:
    """Whether the folder has a file of COCO annotations, in it, in annotations/, or in train/, val/ and test/."""
    return bool(find_annotations(root))


def read_masks(path: Path, columns: Columns, progress: Progress) -> Manifest:
    """Read a file of COCO instances, or a folder of such; draw its masks where that was not done before.

    Categories that are annotated become the classes, in the order of their ids. An image without an annotation
    shows none of them, as COCO means it, and has an empty mask.

    Raises
    ------
    DataError
        For files that are not COCO or contradict each other, images that are not there or of another size than is
        said, and outlines that are none.
    """
    files, listed = _read(path)
    categories = _used(files, path)
    values, meaning = values_of(list(categories.values()))
    sheets = [
        Sheet(one.image, partial(_shapes, one, values), stated_size(one.entry, one.of.path), one.of.path)
        for one in listed
    ]
    drawn = draw_masks(sheets, ["coco", [file.digest for file in files], list(values.items())], path, progress)
    kept = [listed[row] for row in drawn.rows]
    said = [*_recognised(files, kept, path), *_categories(files, categories), *_rules(kept), *drawn.notes]
    manifest = _manifest(kept, drawn.masks, path, columns, said)
    return replace(manifest, mask_values=meaning)


def read_labels(path: Path, columns: Columns, order: Sequence[str] | None) -> Manifest:
    """Read the same files for labels: which of the categories each image has, or of a single one, whether it has it.

    Raises DataError as :func:`read_masks` does, save for what is wrong with outlines and sizes.
    """
    files, listed = _read(path)
    categories = _used(files, path)
    labels = presence_labels([one.names for one in listed], list(categories.values()), order, path)
    said = [*_recognised(files, listed, path), *_categories(files, categories), *labels.notes]
    return _manifest(listed, labels.targets, path, columns, said, labels.classes)


def _read(path: Path) -> tuple[list[Annotations], list[_Listed]]:
    """The files, and the images they list that are there and not left out."""
    paths, root = find_annotations(path), root_of(path)
    files = [read_annotations(file) for file in paths]
    listed, lacking = [], []
    for file, split in zip(files, splits_of(paths, root), strict=True):
        places = image_places(file.path, root, split)
        for entry in file.images:
            image = find_image(entry["file_name"], places)
            expected = str(image or places[0] / entry["file_name"])
            if left_out(expected, Path(expected).stem):
                continue
            if image is None:
                lacking.append(expected)
            else:
                listed.append(_Listed(expected, entry, file, split))
    _refuse_lacking(lacking, bool(listed), path)
    _refuse_two_lists(listed, path)
    return files, listed


def _refuse_lacking(lacking: Sequence[str], others: bool, path: Path) -> None:
    if not lacking:
        return
    sentence = (
        f"{path}: {counted(len(lacking), 'image')} with annotations cannot be found: {listing(lacking)}. Put the files "
        "there, or take their entries out."
    )
    if not others:  # nothing is left to look at
        raise DataError(sentence)
    refuse("missing images", sentence, lacking)


def _refuse_two_lists(listed: Sequence[_Listed], path: Path) -> None:
    of: dict[str, list[str]] = {}
    for one in listed:
        of.setdefault(one.image, []).append(one.of.path.name)
    doubled = [f"{image} ({' and '.join(names)})" for image, names in of.items() if len(names) > 1]
    if doubled:
        raise DataError(
            f"{path}: {counted(len(doubled), 'image')} annotated in several files or twice in one: {listing(doubled)}. "
            "Give one file alone, or take away what does not belong."
        )


def _used(files: Sequence[Annotations], path: Path) -> dict[Hashable, str]:
    """The categories that are annotated in any of the files, in the order of their ids."""
    named: dict[Hashable, str] = {}
    for file in files:
        for number, name in file.categories.items():
            if named.setdefault(number, name) != name:
                raise DataError(
                    f"{path}: the category {number} is {named[number]!r} in one file and {name!r} in {file.path}; "
                    "number them alike."
                )
    annotated = {number for file in files for number in file.counts}
    used = {number: named[number] for number in sorted(annotated, key=by_number)}
    alike = [name for name, times in Counter(name.casefold() for name in used.values()).items() if times > 1]
    if alike:
        raise DataError(f"{path}: several categories have the same name: {listing(alike)}; give each its own.")
    return used


def _shapes(one: _Listed, values: dict[str, int], height: int, width: int) -> list[Marked]:
    marked = []
    for annotation, name in zip(one.annotations, one.names, strict=True):
        called = f"annotation {annotation.get('id', '(without id)')} ({Path(one.image).name})"
        try:
            marked.append(Marked(shape_of(annotation, height, width), values[name], called))
        except ValueError as error:
            raise DataError(f"{one.of.path.name}, {called}: {error}") from None
    return marked


def _recognised(files: Sequence[Annotations], listed: Sequence[_Listed], path: Path) -> Iterator[str]:
    names = listing(file.path.relative_to(path if path.is_dir() else path.parent).as_posix() for file in files)
    counts = Counter(one.split for one in listed)
    splits = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    read_as = f"; the files read as the split, {splits}" if len(counts) > 1 else ""
    yield f"COCO annotations of {counted(len(listed), 'image')} in {names}{read_as}"
    images = {one.image for one in listed}
    folders = sorted({Path(image).parent for image in images})
    files_beside = (file for folder in folders for file in folder.iterdir())
    more = [file for file in files_beside if file.suffix.lower() in IMAGE_SUFFIXES and str(file) not in images]
    if more:
        names = listing(sorted(file.name for file in more), 3)
        yield f"left aside, as no annotations list it: {counted(len(more), 'image')}, {names}"


def _categories(files: Sequence[Annotations], used: dict[Hashable, str]) -> Iterator[str]:
    counts = sum((file.counts for file in files), Counter[Hashable]())
    yield f"annotations: {', '.join(f'{name} {counts[number]}' for number, name in used.items())}"
    idle = {number: name for file in files for number, name in file.categories.items() if number not in used}
    if idle:
        yield f"categories that no annotation has are left out: {listing(idle.values())}"


def _rules(listed: Sequence[_Listed]) -> Iterator[str]:
    """What is decided for masks, where it makes a difference."""
    annotations = [annotation for one in listed for annotation in one.annotations]
    boxes = sum(not annotation.get("segmentation") for annotation in annotations)
    crowds = sum(bool(annotation.get("iscrowd")) for annotation in annotations)
    bare = [Path(one.image).name for one in listed if not one.annotations]
    if boxes:
        yield f"filled boxes, as there is no outline, for {boxes} of {counted(len(annotations), 'annotation')}"
    if crowds:
        yield f"outlines of a crowd (iscrowd) drawn like the others: {crowds}"
    if len({name for one in listed for name in one.names}) > 1:
        yield "where annotations overlap, the smaller one lies on top"
    if bare:
        images = counted(len(bare), "image")
        yield f"an empty mask, as COCO means it, for {images} without an annotation: {listing(bare, 3)}"


def _manifest(
    listed: Sequence[_Listed],
    targets: Sequence[str],
    path: Path,
    columns: Columns,
    notes: Sequence[str],
    classes: LabelClasses | None = None,
) -> Manifest:
    root, images, splits = root_of(path), [one.image for one in listed], [one.split for one in listed]
    base = pd.DataFrame({"id": unique_ids(images), "image": images, "target": list(targets)})
    table, said = join_metadata(base, root, columns)
    if len(set(splits)) > 1 and columns.split is None:
        table["split"] = splits
    return Manifest(table, path, root.resolve().name, (*notes, *said), classes)
