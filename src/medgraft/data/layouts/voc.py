"""Images with Pascal VOC annotations: segmentation masks or filled boxes, or the classes that an image shows.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010. The value 255 of VOC's masks,
a border of pixels around objects that is left undecided, counts as background.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from medgraft.data.labels import LabelClasses, in_order
from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.drawn_masks import Marked, Sheet, draw_masks, values_of
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.label_values import presence_labels
from medgraft.data.layouts.shapes import Outlines
from medgraft.data.layouts.unpacking import Progress
from medgraft.data.layouts.voc_folders import Folders, Sets, paired, read_sets, recognises
from medgraft.data.layouts.voc_xml import Description, read_description
from medgraft.data.manifest import SPLITS, Manifest
from medgraft.errors import DataError, counted, listing

__all__ = ["read_labels", "read_masks", "recognises"]

_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The classes of VOC 2007 to 2012; the value of each in a mask is its place here, from 1."""
_BORDER = 255


def read_masks(root: Path, columns: Columns, progress: Progress) -> Manifest:
    """Read the masks of SegmentationClass/, or where there are none draw the boxes of the annotations.

    Raises
    ------
    DataError
        For a file that is no VOC annotation, images without a mask or an annotation and the other way round, and an
        image of another size than is said.
    """
    folders = Folders.read(root)
    return _segmented(folders, columns) if folders.masks else _boxed(folders, columns, progress)


def read_labels(root: Path, columns: Columns, order: Sequence[str] | None) -> Manifest:
    """Read which classes of objects each image shows; raises DataError as :func:`read_masks` does."""
    folders = Folders.read(root)
    sets, images, found = _annotated(folders)
    labels = presence_labels([one.names for one in found], _classes(found, root), order, root)
    said = [*_recognised(folders, images, sets), _counted(found), *labels.notes]
    return _manifest(images, labels.targets, sets, folders, columns, said, labels.classes)


def _segmented(folders: Folders, columns: Columns) -> Manifest:
    """Images of the official lists of segmentation, or else all that have a mask."""
    sets = read_sets(folders.root, ("Segmentation", "Main"))
    stems = sets.split_of if sets.kind == "Segmentation" else folders.masks
    pairs = paired(folders, folders.masks, stems, "no mask", "mask in SegmentationClass/")
    files = [folders.annotations[stem] for stem in pairs if stem in folders.annotations]
    names = {name for file in files for name in read_description(file).names}
    meaning, rule = _meaning(names)
    images = {stem: image for stem, (image, _) in pairs.items()}
    said = [*_recognised(folders, images, sets), f"masks from SegmentationClass/; {rule}"]
    manifest = _manifest(images, [str(mask) for _, mask in pairs.values()], sets, folders, columns, said)
    return replace(manifest, mask_values=meaning)


def _meaning(names: set[str]) -> tuple[dict[str, str] | None, str]:
    """What the values of masks mean, where the objects are of VOC's own classes; else only the user can know."""
    if not names or not names <= set(_CLASSES):
        others = listing(in_order(names)) or "none"
        return None, f"the objects ({others}) are not VOC's own, so values are taken as they are"
    meaning = {"0": "background"} | {str(value): name for value, name in enumerate(_CLASSES, start=1)}
    rule = f"1 to {len(_CLASSES)} are VOC's classes, and {_BORDER}, the undecided border of objects, is background"
    return meaning | {str(_BORDER): "background"}, rule


def _boxed(folders: Folders, columns: Columns, progress: Progress) -> Manifest:
    sets, images, found = _annotated(folders)
    values, meaning = values_of(_classes(found, folders.root))
    sheets = [
        Sheet(str(image), partial(_shapes, one, values), one.size, one.path)
        for image, one in zip(images.values(), found, strict=True)
    ]
    digest = hashlib.sha256(b"".join(one.digest for one in found)).hexdigest()
    drawn = draw_masks(sheets, ["voc", digest, list(values.items())], folders.root, progress)
    stems, described = [list(images)[row] for row in drawn.rows], [found[row] for row in drawn.rows]
    kept = {stem: images[stem] for stem in stems}
    said = [*_recognised(folders, kept, sets), _counted(described), *_rules(described, len(values)), *drawn.notes]
    return replace(_manifest(kept, drawn.masks, sets, folders, columns, said), mask_values=meaning)


def _annotated(folders: Folders) -> tuple[Sets, dict[str, Path], list[Description]]:
    """The official sets; the images in them, or all, by stem; and what is said of each."""
    sets = read_sets(folders.root, ("Main", "Segmentation"))
    stems = sets.split_of or sorted({*folders.images, *folders.annotations})
    pairs = paired(folders, folders.annotations, stems, "no mask", "file in Annotations/")
    images = {stem: image for stem, (image, _) in pairs.items()}
    return sets, images, [read_description(file) for _, file in pairs.values()]


def _classes(found: Sequence[Description], root: Path) -> list[str]:
    """The names of all objects, sorted; VOC numbers them nowhere."""
    names = in_order({name for one in found for name in one.names})
    if not names:
        raise DataError(
            f"{root}: none of its {counted(len(found), 'annotation')} names an object, so there is nothing to learn."
        )
    alike = [name for name, times in Counter(name.casefold() for name in names).items() if times > 1]
    if alike:
        spelt = [name for name in names if name.casefold() in alike]
        raise DataError(f"{root}: objects have names that differ in case alone: {listing(spelt)}; write them alike.")
    return names


def _shapes(description: Description, values: Mapping[str, int], height: int, width: int) -> list[Marked]:
    return [
        Marked(Outlines.box(*thing.box), values[thing.name], f"object {number} ({description.path.name})")
        for number, thing in enumerate(description.things, start=1)
    ]


def _recognised(folders: Folders, images: Mapping[str, Path], sets: Sets) -> Iterator[str]:
    counts = Counter(sets.split_of.get(stem, "") for stem in images)
    splits = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    read_as = f"; ImageSets/{sets.kind}/ read as the split, {splits}" if set(counts) <= set(SPLITS) else ""
    yield f"folders of Pascal VOC: {counted(len(images), 'image')}{read_as}"
    more = [stem for stem in folders.images if stem not in images]
    if more:
        yield f"left aside, as not listed or without a mask: {counted(len(more), 'image')}, {listing(more, 3)}"


def _counted(found: Sequence[Description]) -> str:
    counts = Counter(name for one in found for name in one.names)
    return f"objects: {', '.join(f'{name} {counts[name]}' for name in in_order(counts))}"


def _rules(found: Sequence[Description], classes: int) -> Iterator[str]:
    """What is decided for masks of boxes."""
    yield "there are no masks, only boxes; they are filled"
    if classes > 1:
        yield "where boxes overlap, the smaller one lies on top"
    bare = [one.path.name for one in found if not one.things]
    if bare:
        yield f"an empty mask for {counted(len(bare), 'annotation')} without an object: {listing(bare, 3)}"


def _manifest(
    images: Mapping[str, Path],
    targets: Sequence[str],
    sets: Sets,
    folders: Folders,
    columns: Columns,
    notes: Sequence[str],
    classes: LabelClasses | None = None,
) -> Manifest:
    files = [str(image) for image in images.values()]
    base = pd.DataFrame({"id": list(images), "image": files, "target": list(targets)})
    table, said = join_metadata(base, folders.root, columns)
    splits = [sets.split_of.get(stem, "") for stem in images]
    if "" not in splits and columns.split is None:
        table["split"] = splits
    return Manifest(table, folders.root, folders.root.resolve().name, (*notes, *said), classes)
