"""Layouts: the ways in which people keep images with masks or labels, each read into a Manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from medgraft.data.exclusion import Exclusion, excluding
from medgraft.data.formats import Axis
from medgraft.data.layouts import class_folders, coco, dicom_folder, folders, isic, nnunet, npz, tables, voc
from medgraft.data.layouts.columns import LABEL_NAMES, Columns, find_column
from medgraft.data.layouts.dicom_patients import with_patients
from medgraft.data.layouts.tables import Task
from medgraft.data.layouts.unpacking import Progress, in_silence
from medgraft.data.layouts.volumes import expanded
from medgraft.data.manifest import Manifest
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing

__all__ = ["open_data"]

_UNDERSTOOD = (
    "What is understood: a folder with images/ and masks/ (a mask has its image's name, or that followed by "
    "_Segmentation, _segmentation, _mask, -mask, _seg or _label); imagesTr/ and labelsTr/ of nnU-Net; the folders of "
    "an ISIC challenge, unpacked side by side; a folder a class, perhaps below train/, val/ and test/; a CSV with the "
    "columns image and mask, or image and label; an .npz file with train_images and train_labels; a COCO .json, or a "
    "folder with one beside its images; Annotations/ and JPEGImages/ of Pascal VOC; DICOM images with DICOM "
    "segmentations among them."
)


def open_data(
    path: str | Path,
    *,
    image_column: str | None = None,
    mask_column: str | None = None,
    group: str | None = None,
    split_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    task: Task = "auto",
    exclude: str | Path | None = None,
    progress: Progress = in_silence,
    axis: Axis = "axial",
) -> Manifest:
    """Read a data set of images with masks or labels, in whatever layout is understood.

    Layouts with masks: a folder with ``images/`` and ``masks/``, or nnU-Net's ``imagesTr/`` and ``labelsTr/``; the
    folders of the ISIC challenges of 2016, 2017 (part 1) and 2018 (task 1); a CSV whose paths are relative to it;
    COCO annotations and the folders of Pascal VOC, whose outlines or boxes are drawn as masks into the cache.
    Layouts with labels: a folder a class, perhaps below ``train/``, ``val/`` and ``test/``; a CSV, or a folder with
    one; an ``.npz`` file in the manner of MedMNIST (Yang et al. 2023). A CSV beside the folders is joined by file
    name. Where there are masks and labels, masks are taken, unless ``task`` or ``label_column`` says otherwise.
    What was recognised is in the ``notes`` of the result.

    Parameters
    ----------
    path : a folder, a CSV file, an .npz file or a COCO .json file.
    image_column, mask_column : columns of a CSV (default: file, filename, path, image or image_id; mask).
    group : column with the patient (default: patient, patient_id or group).
    split_column : column with train, val or test (default: split, fold or set).
    label_column : column with the label (default: label, class, diagnosis, ...); several columns hold 0 and 1 each,
        and an image may have several of these classes, or none.
    classes : the names of the classes in the order they shall have; of two, the second is the positive one.
    task : ``segmentation``, ``classification``, or ``auto``: by what the data has.
    exclude : a list of images to leave out before anything is asked of them (see :mod:`medgraft.data.exclusion`).
    progress : is called with what is being made, how much of it is done and how much there is, where images are
        unpacked or masks are drawn into the cache.
    axis : along which volumes are cut into slices: ``axial``, ``coronal`` or ``sagittal``.

    Raises
    ------
    DataError
        When the layout is not understood, an image has no mask or label or a mask no image, a column is missing, a
        group is in two splits, there is one class only, or there are fewer than two images.
    """
    path = Path(path).expanduser().absolute()
    labels = (label_column,) if isinstance(label_column, str) else tuple(label_column or ()) or None
    if labels and task == "segmentation":
        raise DataError(f"{path}: a label column ({listing(labels)}) is for classification, and masks are asked for.")
    order = (classes,) if isinstance(classes, str) else classes
    wish = _Wish(Columns(image_column, mask_column, group, split_column, labels), task, order, progress)
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: no such folder or file.")
    exclusion = None if exclude is None else Exclusion.read(exclude, path)
    with excluding(exclusion), _opening(path):
        manifest = _open_file(path, wish) if path.is_file() else _open_folder(path, wish)
        manifest = expanded(with_patients(manifest, progress), axis)
        for image in manifest.table["image"]:
            str(image).encode()  # a name that is no text would stop what is written later
    if exclusion is not None:
        manifest = manifest.with_notes(exclusion.sentence(manifest))
    _refuse_too_few(manifest, path)
    return _with_masks_said(manifest, wish) if manifest.classes is None else manifest


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """What the disk refuses, a folder that may not be looked into above all, is said of the place it was met.

    So is a name that is no text; a system may write any bytes there.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be opened ({error.strerror or error}); change its permissions, or give "
            "a copy that can be read."
        ) from error
    except UnicodeEncodeError as error:
        name = str(error.object).encode("utf-8", "backslashreplace").decode("utf-8")
        raise DataError(f"{name}: this name of a file is no text in UTF-8; rename it.") from None


def _refuse_too_few(manifest: Manifest, path: Path) -> None:
    if len(manifest) == 0:
        raise DataError(f"{path}: no image is left; {'; '.join(manifest.notes)}.")
    if len(manifest) == 1:
        refuse(
            "one image",
            f"{path}: there is one image in all ({manifest.table['image'][0]}); "
            "one to learn from and one to test on are the least, and fifty or more make sense.",
            manifest.table["image"],
        )


@dataclass(frozen=True)
class _Wish:
    """What the user asked for."""

    columns: Columns
    task: Task
    classes: Sequence[str] | None
    progress: Progress

    @property
    def labels(self) -> bool:
        """Whether labels are wanted, even where there are masks."""
        return self.task == "classification" or self.columns.label is not None


def _open_file(path: Path, wish: _Wish) -> Manifest:
    if path.suffix.lower() == ".npz":
        if wish.task == "segmentation":
            raise DataError(f"{path}: an .npz file is read for its labels, and masks are asked for.")
        return npz.read(path, wish.columns, wish.classes, wish.progress)
    if path.suffix.lower() == ".json":
        return _open_annotated(coco, path, wish)
    return tables.read(path, wish.columns, wish.task, wish.classes)


def _open_folder(path: Path, wish: _Wish) -> Manifest:
    challenge, masks = isic.recognises(path), folders.recognises(path)
    if challenge and not wish.labels:
        return isic.read(path, wish.columns)
    if masks and not wish.labels:
        return folders.read(path, wish.columns)
    if nnunet.recognises(path) and not wish.labels:
        return nnunet.read(path, wish.columns)
    if coco.recognises(path) and wish.columns.label is None:
        return _open_annotated(coco, path, wish)
    if voc.recognises(path) and wish.columns.label is None:
        return _open_annotated(voc, path, wish)
    if not wish.labels and dicom_folder.recognises(path):
        return dicom_folder.read(path, wish.columns, wish.progress)
    if wish.task != "segmentation":
        if not challenge and not masks and wish.columns.label is None and class_folders.recognises(path):
            return class_folders.read(path, wish.columns, wish.classes)
        table = tables.find_labelled(path, wish.columns)
        if table is not None:
            manifest = tables.read(table, wish.columns, wish.task, wish.classes)
            return replace(manifest, name=path.resolve().name)
        if not wish.labels and class_folders.only_class(path):
            refuse("one class", _not_understood(path, wish), [class_folders.only_class(path)])
            return class_folders.read(path, wish.columns, wish.classes)
    raise DataError(_not_understood(path, wish))


class _Annotated(Protocol):
    """A layout whose annotations tell where objects are, and of which class."""

    def read_masks(self, path: Path, columns: Columns, progress: Progress, /) -> Manifest: ...

    def read_labels(self, path: Path, columns: Columns, order: Sequence[str] | None, /) -> Manifest: ...


def _open_annotated(layout: _Annotated, path: Path, wish: _Wish) -> Manifest:
    """Masks come before labels here too."""
    if wish.columns.label is not None:
        raise DataError(
            f"{path}: annotations have no columns, and the label column {listing(wish.columns.label)} is asked for; "
            "--task classification learns which classes an image shows."
        )
    if wish.labels:
        return layout.read_labels(path, wish.columns, wish.classes)
    return layout.read_masks(path, wish.columns, wish.progress)


def _not_understood(path: Path, wish: _Wish) -> str:
    found = sorted(child.name + ("/" if child.is_dir() else "") for child in path.iterdir())
    if not found:
        return f"{path}: the folder is empty. {_UNDERSTOOD}"
    only = class_folders.only_class(path)
    one = f" The only folder with images is {only}/, and one class is none to tell apart." if only else ""
    if wish.labels:
        named = listing(wish.columns.label) if wish.columns.label else f"one of {', '.join(LABEL_NAMES)}"
        return (
            f"{path}: labels are asked for, and no CSV in this folder names its images and has the label column "
            f"({named}); it holds {listing(found)}.{one} Name the columns with --image-column and --label-column."
        )
    csv = [name for name in found if name.lower().endswith(".csv")]
    hint = f" If {csv[0]} lists images and masks, or images and labels, give that file: {path / csv[0]}" if csv else ""
    return f"{path}: no layout that is understood; it holds {listing(found)}.{one} {_UNDERSTOOD}{hint}"


def _with_masks_said(manifest: Manifest, wish: _Wish) -> Manifest:
    """Masks were taken: classes that were asked for have no use, and a column of labels is left alone."""
    if wish.classes:
        raise DataError(
            f"{manifest.root}: the classes {listing(wish.classes)} are asked for, and the data has masks; take the "
            "labels with --task classification, or name what mask values mean with --mask-values."
        )
    users = manifest.table.drop(columns="target").rename(columns={"csv_target": "target"})
    column = find_column(users, None, LABEL_NAMES, manifest.root)
    if column is None or wish.task == "segmentation":
        return manifest
    return manifest.with_notes(f"column {column} could be a label; --task classification learns it, not the masks")
