"""The layout of nnU-Net and of the Medical Segmentation Decathlon: imagesTr/ with labelsTr/, and dataset.json.

An image ``case_0000.nii.gz`` is the first channel of the case whose mask is ``case.nii.gz``; in the Decathlon both have
one name. Where ``imagesTs/`` has a ``labelsTs/``, its cases are the test split. (Isensee et al. 2021, nnU-Net;
Antonelli et al. 2022, The Medical Segmentation Decathlon.)
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data.formats import stem_of
from medgraft.data.layouts.columns import Columns
from medgraft.data.layouts.folders import join_metadata
from medgraft.data.layouts.matching import child_folder, list_images, match_masks, unique_ids
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError, listing

_PARTS = {"train": ("imagestr", "labelstr"), "test": ("imagests", "labelsts")}
_CHANNEL = re.compile(r"(.+)_(\d{4})")


def recognises(root: Path) -> bool:
    """Whether the folder has imagesTr/ and labelsTr/ (in any case)."""
    return None not in (child_folder(root, "imagestr"), child_folder(root, "labelstr"))


def read(root: Path, columns: Columns) -> Manifest:
    """Read the first channel of every case; raises DataError where images and masks do not match."""
    parts, notes = [], []
    about = _about(root)
    for split, names in _PARTS.items():
        folders = [child_folder(root, name) for name in names]
        images, masks = folders
        if images is None or masks is None:
            notes += [f"{images.name}/ has no masks and was left aside"] if images is not None else []
            continue
        pairs, said = _pairs(images, masks, about)
        parts.append(pairs.assign(split=split))
        notes += [f"{images.name}/ and {masks.name}/: {len(pairs)} images with masks", *said]
    base = pd.concat(parts, ignore_index=True)
    base.insert(0, "id", unique_ids(base["target"]))
    official = base.pop("split")
    table, further = join_metadata(base, root, columns)
    if len(parts) > 1 and columns.split is None:
        table["split"] = official
    values = _values(about)
    if values:
        notes.append(f"dataset.json: {', '.join(f'{value} = {name}' for value, name in values.items())}")
    return Manifest(table, root, root.resolve().name, (*notes, *further), mask_values=values)


def _pairs(image_root: Path, mask_root: Path, about: Mapping[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """Images with their masks, and what to say about further channels."""
    images, masks = list_images(image_root), list_images(mask_root)
    cases = {_name(mask, mask_root) for mask in masks}
    channels: dict[str, list[Path]] = defaultdict(list)
    for image in images:
        channels[_case(_name(image, image_root), cases)].append(image)
    first = [files[0] for files in channels.values()]
    pairs = match_masks(first, masks, image_root, mask_root, lambda name: _case(name, cases))
    several = max(map(len, channels.values()))
    if several == 1:
        return pairs, []
    called = _channel_names(about)
    names = f" ({called[0]}; left out: {listing(called[1:])})" if len(called) > 1 else ""
    return pairs, [f"{several} channels a case, of which the first is read{names}"]


def _name(file: Path, root: Path) -> str:
    place = file.relative_to(root)
    return (place.parent / stem_of(place)).as_posix()


def _case(name: str, cases: set[str]) -> str:
    """The case of an image: its own name where a mask has it, else without the number of its channel."""
    match = _CHANNEL.fullmatch(name)
    return match[1] if match and name not in cases else name


def _about(root: Path) -> Mapping[str, Any]:
    """What dataset.json says; nothing where there is none."""
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); mend it, or take it away.") from None
    return about if isinstance(about, dict) else {}


def _channel_names(about: Mapping[str, Any]) -> Sequence[str]:
    named = about.get("channel_names", about.get("modality"))
    return [str(named[key]) for key in sorted(named)] if isinstance(named, dict) else []


def _values(about: Mapping[str, Any]) -> dict[str, str] | None:
    """What mask values mean: nnU-Net maps names to values, the Decathlon values to names; regions are not read."""
    labels = about.get("labels")
    if not isinstance(labels, dict) or "ignore" in labels:
        return None
    pairs = [(name, value) if str(name).isdecimal() else (value, name) for name, value in labels.items()]
    if not all(str(value).isdecimal() for value, _ in pairs):
        return None
    values = {str(int(value)): str(name) for value, name in sorted(pairs, key=lambda pair: int(pair[0]))}
    return values if values.get("0") and len(set(values.values())) == len(values) > 1 else None
