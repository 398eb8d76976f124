"""Images and masks in two folders, matched by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from medgraft.data.formats.raster import IMAGE_SUFFIXES
from medgraft.errors import DataError, listing

MASK_ENDINGS = ("", "_Segmentation", "_segmentation", "_mask", "-mask")


def child_folder(root: Path, name: str) -> Path | None:
    """The folder in ``root`` of that name, in any case; None where there is none."""
    return next((child for child in sorted(root.iterdir()) if child.name.lower() == name and child.is_dir()), None)


def list_images(folder: Path) -> list[Path]:
    """Return the image files in ``folder`` and below, sorted; hidden files are skipped. Empty: DataError."""
    found, others = [], set()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part.startswith((".", "__MACOSX")) for part in inside.parts) or not path.is_file():
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            found.append(path)
        else:
            others.add(path.suffix.lower() or path.name)
    if not found:
        seen = f" (it holds {listing(sorted(others))})" if others else ""
        raise DataError(f"{folder}: no images{seen}; read are {', '.join(IMAGE_SUFFIXES)}.")
    return found


def match_masks(images: Sequence[Path], masks: Sequence[Path], image_root: Path, mask_root: Path) -> pd.DataFrame:
    """Return a table of ``image`` and ``target`` for files of the same name in the same place.

    A mask has its image's stem, or that followed by one of :data:`MASK_ENDINGS`. Raises DataError that lists
    images without a mask, masks without an image, and names that occur twice.
    """
    by_name = _by_name(masks, mask_root, "masks")
    pairs: list[tuple[Path, Path]] = []
    lonely: list[Path] = []
    for name, image in _by_name(images, image_root, "images").items():
        mask = next((by_name.pop(name + end) for end in MASK_ENDINGS if name + end in by_name), None)
        if mask is None:
            lonely.append(image)
        else:
            pairs.append((image, mask))
    _refuse_lonely(lonely, list(by_name.values()), image_root, mask_root)
    return pd.DataFrame({"image": [str(i) for i, _ in pairs], "target": [str(m) for _, m in pairs]})


def unique_ids(images: Iterable[str]) -> list[str]:
    """Return the stem of each image, or, where stems clash, its path below the folder that holds them all."""
    paths = [Path(image) for image in images]
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    shared = os.path.commonpath([path.parent for path in paths])
    below = [path.relative_to(shared) for path in paths]
    names = [path.with_suffix("").as_posix() for path in below]
    return names if len(set(names)) == len(names) else [path.as_posix() for path in below]


def _by_name(files: Sequence[Path], root: Path, what: str) -> dict[str, Path]:
    """Files by their path below ``root`` without the suffix."""
    named: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        named[file.relative_to(root).with_suffix("").as_posix()].append(file)
    doubled = [" and ".join(f.name for f in group) for group in named.values() if len(group) > 1]
    if doubled:
        raise DataError(f"{root}: {what} that differ only in their ending: {listing(doubled)}; keep one of each.")
    return {name: group[0] for name, group in named.items()}


def _refuse_lonely(images: list[Path], masks: list[Path], image_root: Path, mask_root: Path) -> None:
    problems = []
    if images:
        names = listing(path.relative_to(image_root).as_posix() for path in images)
        problems.append(f"{len(images)} images in {image_root} have no mask in {mask_root}: {names}")
    if masks:
        names = listing(path.relative_to(mask_root).as_posix() for path in masks)
        problems.append(f"{len(masks)} masks in {mask_root} have no image in {image_root}: {names}")
    if problems:
        raise DataError(
            f"{'; '.join(problems)}. Add what is missing or move the rest away; where an image shows nothing "
            "to outline, its mask is a file of zeros."
        )
