"""Laying out the files of single data sets, whose publishers chose a layout of their own, as Medgraft reads them.

Each function gets the folder that the archives were unpacked into, and leaves there what the catalogue's entry says
in its layout. All raise DataError where the files are not as expected.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from medgraft.errors import DataError

_BUSI = re.compile(r"(?P<image>.+?\(\d+\))(?P<mask>_mask(_\d+)?)?\.png")


def arrange_busi(folder: Path) -> None:
    """A folder a class, each with images and their masks side by side: images/, masks/ and labels.csv."""
    source = _only(folder, "Dataset_BUSI_with_GT")
    images, masks, labels = {}, defaultdict(list), []
    for file in sorted(source.glob("*/*.png")):
        match = _BUSI.fullmatch(file.name)
        if match is None:
            raise DataError(f"{file.relative_to(folder)}: neither the name of an image nor of a mask.")
        if match["mask"]:
            masks[match["image"]].append(file)
        else:
            images[match["image"]] = file
            labels.append({"file": f"{match['image']}.png", "label": file.parent.name})
    _place(folder, images, masks)
    pd.DataFrame(labels).to_csv(folder / "labels.csv", index=False)
    shutil.rmtree(source)


def arrange_dsb2018(folder: Path) -> None:
    """A folder an image, with a mask for each nucleus: images/ and masks/."""
    source = _only(folder, "stage1_train")
    images = {file.stem: file for file in sorted(source.glob("**/images/*.png"))}
    masks = {stem: sorted((file.parents[1] / "masks").glob("*.png")) for stem, file in images.items()}
    _place(folder, images, masks)
    shutil.rmtree(source)


def arrange_ham10000(folder: Path) -> None:
    """Images, a table with a column a class, and one of lesions: images/ and labels.csv."""
    images = _only(folder, "ISIC2018_Task3_Training_Input")
    truth = _only(folder, "ISIC2018_Task3_Training_GroundTruth")
    flags = _read(truth / "ISIC2018_Task3_Training_GroundTruth.csv", ["image"]).set_index("image")
    lesions = _read(folder / "ISIC2018_Task3_Training_LesionGroupings.csv", ["image", "lesion_id"]).set_index("image")
    values = flags.astype(float)
    lost = flags.index[~flags.index.isin(lesions.index)]
    unclear = flags.index[values.sum(axis=1) != 1]
    if len(lost) or len(unclear):
        raise DataError(f"{folder.name}: images without one class and one lesion: {', '.join([*lost, *unclear][:5])}.")
    table = pd.DataFrame({"file": flags.index, "label": values.idxmax(axis=1).to_numpy()})
    table["lesion_id"] = lesions.loc[flags.index, "lesion_id"].to_numpy()
    images.rename(folder / "images")
    shutil.rmtree(truth)
    (folder / "ISIC2018_Task3_Training_LesionGroupings.csv").unlink()
    table.to_csv(folder / "labels.csv", index=False)


ARRANGERS: Mapping[str, Callable[[Path], None]] = {
    "busi": arrange_busi,
    "dsb2018": arrange_dsb2018,
    "ham10000": arrange_ham10000,
}
"""The functions by the name that an entry gives in ``arrange``."""


def _place(folder: Path, images: Mapping[str, Path], masks: Mapping[str, Iterable[Path]]) -> None:
    """Move the images to images/ and write the joined masks of each to masks/, both under its stem."""
    if not images or images.keys() != {stem for stem in images if masks.get(stem)}:
        lonely = [stem for stem in images if not masks.get(stem)]
        raise DataError(f"{folder.name}: " + (f"no mask of {', '.join(lonely[:5])}." if lonely else "no image found."))
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for stem, file in images.items():
        Image.fromarray(_joined(masks[stem])).save(folder / "masks" / f"{stem}.png")
        file.rename(folder / "images" / f"{stem}.png")


def _joined(files: Iterable[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The union of masks ``[H, W]``, 0 and 255."""
    union: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None
    for file in files:
        with Image.open(file) as image:
            mask = np.asarray(image.convert("L")) > 127
        if union is not None and union.shape != mask.shape:
            raise DataError(f"{file.name}: a mask of another size than the others of its image.")
        union = mask if union is None else union | mask
    assert union is not None
    return np.where(union, 255, 0).astype(np.uint8)


def _only(folder: Path, name: str) -> Path:
    if not (folder / name).is_dir():
        raise DataError(f"the archive holds no folder {name}, so its publishers have changed it.")
    return folder / name


def _read(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """A table with these columns at least, all values as text."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read ({error}), so its publishers have changed it.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise DataError(f"{path.name} has no column {', '.join(missing)}, so its publishers have changed it.")
    return table
