"""The images of a set at the size they had before they were made smaller, written once to a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
from PIL import Image

from machine import say
from medgraft.data import Manifest, open_data
from medgraft.files import cache_root, replacing


def enlarged(data: Path, cache: Path | None = None) -> Path:
    """Return a folder with the images of ``data`` at the sizes ``orig_w`` x ``orig_h`` of its labels.csv.

    Images are enlarged by bicubic interpolation and written as JPEG of quality 90, masks by nearest neighbour as
    PNG. An enlarged photograph has less detail than the camera's own, so it decodes somewhat faster: what is measured
    on it is on the loop's side.
    """
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:8]
    folder = (cache or cache_root() / "native-size") / f"{data.name}-{digest}"
    labels = pd.read_csv(data / "labels.csv").set_index("image_id")
    manifest = open_data(data)
    jobs = [
        (Path(row.image), Path(row.target), (int(labels.loc[row.id, "orig_w"]), int(labels.loc[row.id, "orig_h"])))
        for row in manifest.table.itertuples()
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(partial(_enlarge, folder), jobs), start=1):
            if done % 100 == 0:
                say(f"native size: {done} of {len(jobs)} images")
    with replacing(folder / "labels.csv") as temporary:
        shutil.copyfile(data / "labels.csv", temporary)
    return folder


def megapixels(manifest: Manifest) -> float:
    """Mean size of the images, from their headers."""
    sizes = []
    for path in manifest.table["image"]:
        with Image.open(path) as image:
            sizes.append(image.width * image.height)
    return sum(sizes) / len(sizes) / 1e6


def _enlarge(folder: Path, job: tuple[Path, Path, tuple[int, int]]) -> None:
    image, mask, size = job
    larger = folder / "images" / f"{image.stem}.jpg"
    if not larger.is_file():
        with replacing(larger) as temporary:
            Image.open(image).convert("RGB").resize(size, Image.Resampling.BICUBIC).save(temporary, quality=90)
    larger = folder / "masks" / f"{mask.stem}.png"
    if not larger.is_file():
        with replacing(larger) as temporary:
            Image.open(mask).resize(size, Image.Resampling.NEAREST).save(temporary)
