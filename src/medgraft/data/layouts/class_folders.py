"""The layout of a folder a class, perhaps below train/, val/ and test/, with an optional table beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from medgraft.data.exclusion import left_out
from medgraft.data.formats import has_image_suffix, image_size, is_image, parts_of
from medgraft.data.layouts.columns import LABEL_NAMES, SPLIT_WORDS, Columns, find_column
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.label_values import label_key, single_labels
from medgraft.data.layouts.matching import list_images, unique_ids
from medgraft.data.layouts.walking import files_below
from medgraft.data.manifest import SPLITS, Manifest
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing

_NO_CLASS = frozenset(("image", "images", "img", "imgs", "mask", "masks", "label", "labels", "imagestr", "labelstr"))


def recognises(root: Path) -> bool:
    """Whether ``root``, or its train/, val/ and test/, hold folders of two names or more, any of them with images."""
    folders = _class_folders(root)
    return len({label_key(folder.name) for _, folder in folders}) > 1 and any(_has_image(f) for _, f in folders)


def only_class(root: Path) -> str:
    """The name of the folder that would be the only class, where there is just one; else an empty text."""
    names = {folder.name for _, folder in _class_folders(root) if _has_image(folder)}
    return names.pop() if len(names) == 1 else ""


def read(root: Path, columns: Columns, order: Sequence[str] | None) -> Manifest:
    """Read the images of every class folder; raises DataError where one has none, or the table contradicts them."""
    folders = _class_folders(root)
    parts = [
        pd.DataFrame({"image": list(map(str, _readable(folder))), "target": folder.name, "own": split})
        for split, folder in folders
    ]
    base = pd.concat(parts, ignore_index=True)
    labels = single_labels(base["target"].tolist(), order, root, f"{root.name}/")
    base["target"] = labels.targets
    base.insert(0, "id", unique_ids(base["image"]))
    own = base.pop("own")
    table, notes = join_metadata(base, root, columns)
    _refuse_contradictions(table, root, labels.classes.names)
    said = [f"{root.name}/: a folder a class, {len(base)} images", *labels.notes]
    if own.nunique() > 1 and columns.split is None:
        table["split"] = _settled(table, own, root)
        counts = ", ".join(f"{int((own == split).sum())} {split}" for split in SPLITS)
        names = sorted(_split_folders(root), key=lambda name: SPLITS.index(SPLIT_WORDS[name.casefold()]))
        said.append(f"folders {listing(f'{name}/' for name in names)} read as the split, {counts}")
    said += _left_aside(root, folders)
    return Manifest(table, root, root.resolve().name, (*said, *notes), labels.classes)


def _class_folders(root: Path) -> list[tuple[str, Path]]:
    """The split ("" where there is none) and the folder of each class."""
    parents = [(SPLIT_WORDS[name.casefold()], folder) for name, folder in _split_folders(root).items()]
    found = [(split, folder) for split, parent in parents or [("", root)] for folder in _folders(parent)]
    return [] if any(folder.name.casefold() in _NO_CLASS for _, folder in found) else found


def _split_folders(root: Path) -> dict[str, Path]:
    return {folder.name: folder for folder in _folders(root) if folder.name.casefold() in SPLIT_WORDS}


def _folders(parent: Path) -> list[Path]:
    return sorted(c for c in parent.iterdir() if c.is_dir() and not c.name.startswith((".", "__MACOSX")))


def _readable(folder: Path) -> list[Path]:
    """The images of a class; whether one of them can be opened is told by its header alone."""
    files: list[Path] = []
    try:
        files = list_images(folder)
    except DataError as error:
        reason = str(error).removeprefix(f"{folder}: ")
    else:
        files = [file for file in files if not left_out(str(file))]
        if not files or any(_opens(file) for file in files):
            return files
        reason = f"none of its {len(files)} files can be opened."
    refuse(
        "unreadable class",
        f"{folder}: the folders in {folder.parent.name}/ are read as classes, and this one has no readable image: "
        f"{reason} Add its images, or take the folder out.",
        [folder],
    )
    return files


def _opens(file: Path) -> bool:
    try:
        image_size(parts_of(file)[0])
    except DataError:
        return False
    return True


def _has_image(folder: Path) -> bool:
    return any(path.is_file() and is_image(path) for path in files_below(folder))


def _refuse_contradictions(table: pd.DataFrame, root: Path, names: Sequence[str]) -> None:
    """A column that names another class than the folder is an error; one with other words is a column of its own."""
    users = table.drop(columns="target").rename(columns={"csv_target": "target"})
    column = find_column(users, None, LABEL_NAMES, root)
    if column is None:
        return
    named = users[column].map(label_key).map({label_key(name): name for name in names})
    wrong = table[named.notna() & (named != table["target"])]
    if len(wrong):
        parts = zip(wrong["id"], wrong["target"], named[wrong.index], strict=True)
        rows = (f"{name} (folder {folder}, table {other})" for name, folder, other in parts)
        refuse(
            "contradicted labels",
            f"{root}: {len(wrong)} images lie in the folder of one class, and column {column} of the table beside the "
            f"folders names another: {listing(rows)}. Mend the one that is wrong, or take the table away.",
            wrong["image"],
        )


def _settled(table: pd.DataFrame, own: pd.Series, root: Path) -> pd.Series:
    """The split of the folders, which a table beside them may repeat and not contradict."""
    if "split" in table:
        wrong = table[table["split"] != own]
        if len(wrong):
            refuse(
                "contradicted splits",
                f"{root}: the table beside the folders puts {len(wrong)} images into another split than their folder: "
                f"{listing(wrong['id'])}. Mend it, or name the column to take with --split-column.",
                wrong["image"],
            )
    return own


def _left_aside(root: Path, folders: list[tuple[str, Path]]) -> list[str]:
    """What holds images and is no class: files beside the class folders, folders beside train/ and test/."""
    parents = {folder.parent for _, folder in folders}
    files = [f for parent in {root, *parents} for f in parent.iterdir() if has_image_suffix(f)]
    inside = {folder.relative_to(root).parts[0] for _, folder in folders}
    beside = [folder.name for folder in _folders(root) if folder.name not in inside and _has_image(folder)]
    notes = [f"{len(files)} images beside the class folders were left aside"] if files else []
    return [*notes, f"folders left aside: {listing(beside)}"] if beside else notes
