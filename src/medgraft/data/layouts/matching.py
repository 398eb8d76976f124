"""Images and masks in two folders, matched by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from medgraft.data.exclusion import left_out
from medgraft.data.formats import IMAGE_SUFFIXES, Address, has_image_suffix, is_image, stem_of
from medgraft.data.layouts.walking import files_below
from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing

MASK_ENDINGS = ("", "_Segmentation", "_segmentation", "_mask", "-mask", "_seg", "-seg", ".seg", "_label", "-label")


def child_folder(root: Path, name: str) -> Path | None:
    """The folder in ``root`` of that name, in any case; None where there is none."""
    return next((child for child in sorted(root.iterdir()) if child.name.lower() == name and child.is_dir()), None)


def list_images(folder: Path) -> list[Path]:
    """Return the image files in ``folder`` and below, sorted; hidden files are skipped.

    Links to folders are followed, once each. Raises DataError where there is no image, a folder cannot be opened, or
    an image is a link to nothing.
    """
    found, others, broken = [], set(), []
    for path in files_below(folder):
        if not path.is_file():
            broken += [path] if has_image_suffix(path) else []
        elif is_image(path):
            found.append(path)
        else:
            others.add(path.suffix.lower() or path.name)
    if broken:
        raise DataError(
            f"{folder}: {len(broken)} images are links to files that are not there: {listing(broken)}; fetch the "
            "files, or take the links away."
        )
    if not found:
        seen = f" (it holds {listing(sorted(others))})" if others else ""
        raise DataError(f"{folder}: no images{seen}; read are {', '.join(IMAGE_SUFFIXES)}.")
    return found


def match_masks(
    images: Sequence[Path],
    masks: Sequence[Path],
    image_root: Path,
    mask_root: Path,
    named: Callable[[str], str] = str,
) -> pd.DataFrame:
    """Return a table of ``image`` and ``target`` for files of the same name in the same place.

    A mask has its image's stem, or that followed by one of :data:`MASK_ENDINGS`; ``named`` tells from an image's path
    below ``image_root``, without its ending, how its mask is called. Raises DataError that lists
    images without a mask, masks without an image, and names that occur twice.
    """
    by_name = _by_name(masks, mask_root, "masks")
    pairs: list[tuple[Path, Path]] = []
    lonely: list[Path] = []
    for own, image in _by_name(images, image_root, "images").items():
        name = named(own)
        mask = next((by_name.pop(name + end) for end in MASK_ENDINGS if name + end in by_name), None)
        if left_out(str(image), *([str(mask)] if mask else [])):
            continue
        if mask is None:
            lonely.append(image)
        else:
            pairs.append((image, mask))
    _refuse_lonely(lonely, [mask for mask in by_name.values() if not left_out(str(mask))], image_root, mask_root)
    if not pairs:
        raise DataError(f"{image_root}: no image is left that has a mask in {mask_root}.")
    return pd.DataFrame({"image": [str(i) for i, _ in pairs], "target": [str(m) for _, m in pairs]})


def unique_ids(images: Iterable[str]) -> list[str]:
    """Return the stem of each image, or, where stems clash, its path below the folder that holds them all.

    Of one picture in a file of several, its part follows: ``scan-axial-017``.
    """
    places = [Address.parse(image) for image in images]
    stems = [place.stem for place in places]
    if len(set(stems)) == len(stems):
        return stems
    shared = os.path.commonpath([place.file.parent for place in places])
    below = [place.file.parent.relative_to(shared) for place in places]
    names = [(folder / place.stem).as_posix() for folder, place in zip(below, places, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [(folder / place.name).as_posix() for folder, place in zip(below, places, strict=True)]


def _by_name(files: Sequence[Path], root: Path, what: str) -> dict[str, Path]:
    """Files by their path below ``root`` without the suffix."""
    named: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        place = file.relative_to(root)
        # Some systems write an accent as a sign of its own (NFD), so two names may look alike and differ.
        named[normalize("NFC", (place.parent / stem_of(place)).as_posix())].append(file)
    for name, group in named.items():
        if len(group) > 1:
            named[name] = [file for file in group if not left_out(str(file))] or group[:1]
    doubled = {name: group for name, group in named.items() if len(group) > 1}
    if doubled:
        pairs = listing(" and ".join(f.name for f in group) for group in doubled.values())
        further = [file for group in doubled.values() for file in group[1:]]
        refuse("doubled names", f"{root}: {what} that differ only in their ending: {pairs}; keep one of each.", further)
    return {name: group[0] for name, group in named.items()}


def _refuse_lonely(images: list[Path], masks: list[Path], image_root: Path, mask_root: Path) -> None:
    problems = []
    if images:
        names = listing(path.relative_to(image_root).as_posix() for path in images)
        problems.append(f"{len(images)} images in {image_root} have no mask in {mask_root}: {names}")
    if masks:
        names = listing(path.relative_to(mask_root).as_posix() for path in masks)
        problems.append(f"{len(masks)} masks in {mask_root} have no image in {image_root}: {names}")
    sentence = (
        f"{'; '.join(problems)}. Add what is missing or move the rest away; where an image shows nothing "
        "to outline, its mask is a file of zeros."
    )
    if images:
        refuse("no mask", sentence, images)
    if masks:
        refuse("masks without image", sentence, masks)
