"""A synthetic data set in the manner of dermoscopy, for demonstrations and tests; nothing in it is a patient."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from medgraft.data.synthetic_artefacts import add_artefacts
from medgraft.data.synthetic_lesion import paint_lesion, paint_skin
from medgraft.errors import DataError

Progress = Callable[[int, int], None]

_README = """# SYNTHETIC images, not of patients

{count} drawn images in the manner of dermoscopy, {size} x {size} pixels, seed {seed}, with exact masks (0 = skin,
255 = lesion), written by `medgraft.data.synthetic`. They serve to try the software. Figures measured on them say
nothing about real lesions.
"""


def generate(
    folder: str | Path, count: int = 300, size: int = 256, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write ``count`` synthetic images and masks to ``folder`` and return it.

    It holds ``images/synthetic_0000.jpg`` ..., ``masks/synthetic_0000_mask.png`` ... (0 and 255, exact),
    ``labels.csv`` (a row an image, what was drawn) and ``README.md``; the last two, and a comment in each
    JPEG, say SYNTHETIC. The same arguments give the same images. A folder that already holds them is
    returned as it is.

    Parameters
    ----------
    folder
        Written whole or not at all; must not exist yet, or be empty.
    count
        Number of images.
    size
        Side in pixels.
    seed
        Every image has its own generator, keyed by seed and number, so a larger set starts with a smaller
        one's.
    progress
        Called with ``(done, total)``.

    Raises
    ------
    DataError
        When the folder holds something else.
    """
    folder = Path(folder)
    readme = _README.format(count=count, size=size, seed=seed)
    if _holds(folder, readme):
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: holds something else; name a new folder for the synthetic images.")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        for name in ("images", "masks"):
            (partial / name).mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(_draw_all(partial, count, size, seed, progress))
        table.to_csv(partial / "labels.csv", index=False)
        (partial / "README.md").write_text(readme, encoding="utf-8")
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def draw(size: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], dict[str, Any]]:
    """Draw one sample.

    Returns
    -------
    tuple
        Image ``[size, size, 3]`` uint8, mask ``[size, size]`` of 0 and 1, and what was drawn.
    """
    skin, tone = paint_skin(size, rng)
    image, mask, contrast = paint_lesion(skin, rng)
    image, artefacts = add_artefacts(image, rng)
    noise = rng.uniform(0.004, 0.012) * rng.standard_normal(image.shape, dtype=np.float32)
    pixels = np.clip((image + noise) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    facts = {"tone": tone, "contrast": round(contrast, 3), "artefacts": " ".join(artefacts) or "none"}
    return pixels, mask, facts


def _draw_all(folder: Path, count: int, size: int, seed: int, progress: Progress | None) -> list[dict[str, Any]]:
    def one(number: int) -> dict[str, Any]:
        image, mask, facts = draw(size, np.random.default_rng([seed, number]))
        name = f"synthetic_{number:04d}"
        picture = folder / "images" / f"{name}.jpg"
        Image.fromarray(image).save(picture, quality=92, comment=b"SYNTHETIC, drawn by medgraft")
        Image.fromarray(mask * np.uint8(255)).save(folder / "masks" / f"{name}_mask.png")
        return {"image_id": name, "source": "SYNTHETIC", "lesion_fraction": round(float(mask.mean()), 4)} | facts

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(one, range(count)):
            rows.append(row)
            if progress is not None:
                progress(len(rows), count)
    return rows


def _holds(folder: Path, readme: str) -> bool:
    try:
        return (folder / "README.md").read_text(encoding="utf-8") == readme
    except (OSError, UnicodeDecodeError):
        return False
