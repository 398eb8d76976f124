"""The folders of a Pascal VOC challenge: which files lie there, and which image is in which official set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgraft.data.exclusion import left_out
from medgraft.data.layouts.columns import SPLIT_WORDS
from medgraft.data.layouts.matching import child_folder, list_images
from medgraft.data.manifest import SPLITS
from medgraft.data.problems import ProblemKind, refuse
from medgraft.errors import DataError, counted, listing


@dataclass(frozen=True)
class Folders:
    """What is there.

    Attributes
    ----------
    root : the folder of all others.
    annotations, images, masks : the files of each by their stem, with one stem never standing for two.
    """

    root: Path
    annotations: Mapping[str, Path]
    images: Mapping[str, Path]
    masks: Mapping[str, Path]

    @classmethod
    def read(cls, root: Path) -> Folders:
        """List the files; raises DataError where there are no images, or two of one name."""
        images = child_folder(root, "jpegimages") or child_folder(root, "images") or root
        files = list_images(images)
        doubled = [stem for stem, times in Counter(file.stem for file in files).items() if times > 1]
        if doubled:
            raise DataError(f"{images}: several images have the same name: {listing(doubled)}; keep one of each.")
        by_stem = {file.stem: file for file in files}
        return cls(root, _by_stem(root, "annotations", "*.xml"), by_stem, _by_stem(root, "segmentationclass", "*.png"))


@dataclass(frozen=True)
class Sets:
    """The official sets of a challenge.

    Attributes
    ----------
    kind : the folder in ImageSets/ with the lists; empty where there is none.
    split_of : train, val or test by the stem of an image; an empty text where one list alone is no split.
    """

    kind: str
    split_of: Mapping[str, str]


def recognises(root: Path) -> bool:
    """Whether the folder has Annotations/ with XML files, and JPEGImages/ or images/."""
    images = child_folder(root, "jpegimages") or child_folder(root, "images")
    return images is not None and bool(_by_stem(root, "annotations", "*.xml"))


def read_sets(root: Path, kinds: Sequence[str]) -> Sets:
    """Read train.txt, val.txt and test.txt, or else trainval.txt, in the first folder of ImageSets/ that has them.

    Raises DataError where an image is in two of them, or a list cannot be read.
    """
    place = child_folder(root, "imagesets")
    for kind in kinds:
        folder = place and child_folder(place, kind.casefold())
        lists = {split: folder / f"{split}.txt" for split in (*SPLITS, "trainval")} if folder else {}
        found = {split: _stems(file) for split, file in lists.items() if file.is_file()}
        if any(found.get(split) for split in SPLITS):
            found.pop("trainval", None)
        found = {split: stems for split, stems in found.items() if stems}
        if found:
            return Sets(kind, _joined(found, root))
    return Sets("", {})


def paired(
    folders: Folders, others: Mapping[str, Path], stems: Iterable[str], kind: ProblemKind, what: str
) -> dict[str, tuple[Path, Path]]:
    """The image, and the annotation or mask among ``others``, of each of the stems.

    Raises DataError that lists what is lacking; ``what`` the others are, and ``kind`` names their lack where problems
    are collected.
    """
    stems = [stem for stem in stems if not left_out(str(folders.images.get(stem, stem)), stem)]
    alone = [stem for stem in stems if stem not in others]
    bare = [stem for stem in stems if stem not in folders.images]
    found = {stem: (folders.images[stem], others[stem]) for stem in stems if stem in folders.images and stem in others}
    problems: list[tuple[list[str], str, ProblemKind]] = [
        (
            bare,
            f"{counted(len(bare), 'name')} in lists or annotations without an image: {listing(bare)}.",
            "missing images",
        ),
        (alone, f"{counted(len(alone), 'image')} without a {what}: {listing(alone)}.", kind),
    ]
    for lacking, sentence, named in problems:
        if not lacking:
            continue
        sentence = f"{folders.root}: {sentence} Add what is missing, or take the rest away."
        if not found:  # nothing is left to look at
            raise DataError(sentence)
        refuse(named, sentence, (folders.images.get(stem, stem) for stem in lacking))
    return found


def _by_stem(root: Path, name: str, pattern: str) -> dict[str, Path]:
    folder = child_folder(root, name)
    files = sorted(folder.glob(pattern)) if folder else []
    return {file.stem: file for file in files if not file.name.startswith(".")}


def _stems(file: Path) -> list[str]:
    """The first word of each line; lists of one class have 1 or -1 behind it."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as a list of images ({error}).") from None
    return [line.split()[0] for line in lines if line.strip()]


def _joined(found: Mapping[str, Sequence[str]], root: Path) -> dict[str, str]:
    times = Counter(stem for stems in found.values() for stem in stems)
    doubled = [stem for stem, count in times.items() if count > 1]
    if doubled:
        raise DataError(
            f"{root}: {counted(len(doubled), 'image')} listed twice in ImageSets/: {listing(doubled)}; keep one each."
        )
    return {
        stem: SPLIT_WORDS.get(split, "") if len(found) > 1 else "" for split, stems in found.items() for stem in stems
    }
