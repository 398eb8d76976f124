"""The folders of the ISIC challenges, as they are unpacked: data and ground truth of each official split.

Understood are ISBI 2016 part 1, ISIC 2017 part 1 and ISIC 2018 task 1 (lesion segmentation).
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.matching import list_images, match_masks, unique_ids
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

_SPLITS = {"training": "train", "validation": "val", "test": "test"}
_STAGE = r"(training|validation|test)(?:_v\d)?"
_IMAGES = {
    "2016": rf"isbi2016_isic_part1_{_STAGE}_data",
    "2017": rf"isic-?2017_{_STAGE}_data",
    "2018": rf"isic-?2018_task1(?:-2)?_{_STAGE}_input",
}
_MASKS = {
    "2016": rf"isbi2016_isic_part1_{_STAGE}_groundtruth",
    "2017": rf"isic-?2017_{_STAGE}_part1_groundtruth",
    "2018": rf"isic-?2018_task1_{_STAGE}_groundtruth",
}


def recognises(root: Path) -> bool:
    """Whether any folder in ``root`` has the name of a challenge's image folder."""
    return bool(_folders(root, _IMAGES))


def image_folders(root: Path) -> dict[Path, str]:
    """The split of each folder of images in ``root``."""
    return {folder: split for (_, split), folder in _folders(root, _IMAGES).items()}


def read(root: Path, columns: Columns) -> Manifest:
    """Read every official split that is there; raises DataError where data or ground truth is missing."""
    images, masks = _folders(root, _IMAGES), _folders(root, _MASKS)
    years = {year for year, _ in images}
    if len(years) > 1:
        raise DataError(f"{root}: holds the challenges of {', '.join(sorted(years))}; give each its own folder.")
    for key in images.keys() ^ masks.keys():
        have, lack = (images, "ground truth") if key in images else (masks, "images")
        raise DataError(f"{root}: {have[key].name} is there, but not the folder with its {lack}.")
    parts = []
    for key in sorted(images, key=lambda key: list(_SPLITS.values()).index(key[1])):
        # The 2017 data has a superpixel map beside each photograph.
        files = [f for f in list_images(images[key]) if not f.stem.endswith("_superpixels")]
        pairs = match_masks(files, list_images(masks[key]), images[key], masks[key])
        parts.append(pairs.assign(split=key[1]))
    base = pd.concat(parts, ignore_index=True)
    base.insert(0, "id", unique_ids(base["image"]))
    counts = ", ".join(f"{len(part)} {part['split'][0]}" for part in parts)
    return _manifest(base, root, columns, f"folders of the ISIC challenge {years.pop()}: {counts}")


def _manifest(base: pd.DataFrame, root: Path, columns: Columns, note: str) -> Manifest:
    """One official split alone is no split: it is left to be divided."""
    official = base.pop("split")
    table, notes = join_metadata(base, root, columns)
    if official.nunique() > 1 and columns.split is None:
        table["split"] = official
    return Manifest(table, root, root.resolve().name, (note, *notes))


def _folders(root: Path, patterns: dict[str, str]) -> dict[tuple[str, str], Path]:
    """Folders by (year, split)."""
    found = {}
    for child in sorted(root.iterdir()):
        for year, pattern in patterns.items():
            match = re.fullmatch(pattern, child.name, re.IGNORECASE)
            if match and child.is_dir():
                found[year, _SPLITS[match[1].lower()]] = child
    return found
