"""Drawn images with labels and patients, for the notebooks on classification; nothing in them is a patient."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from medgraft.data.synthetic import draw
from medgraft.errors import DataError

_README = """# SYNTHETIC images, not of patients

{patients} drawn patients, seed {seed}, with two images of {size} x {size} pixels each, written by
`medgraft.workshop.drawn`. The label says whether hair was drawn over the lesion. Figures measured on them say nothing
about real lesions.
"""


def drawn_labels(folder: str | Path, patients: int = 120, size: int = 96, seed: int = 5) -> Path:
    """Write images with labels and return the path of their table; a folder that holds them is left as it is.

    Each made-up patient has two images of one lesion, the second mirrored and lit otherwise, as two photographs of a
    visit are alike. The table ``labels.csv`` has the columns ``image``, ``label`` (hair or clear), ``patient``,
    ``tone`` (of the skin) and ``source`` (SYNTHETIC).

    Parameters
    ----------
    folder : written whole or not at all; must not exist yet, be empty, or hold the same images.
    patients, size, seed : the same give the same images.

    Raises
    ------
    DataError
        When the folder holds something else.
    """
    folder = Path(folder)
    readme = _README.format(patients=patients, size=size, seed=seed)
    table = folder / "labels.csv"
    if table.is_file() and (folder / "README.md").read_text(encoding="utf-8") == readme:
        return table
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: holds something else; name a new folder for the drawn images.")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        (partial / "images").mkdir(parents=True, exist_ok=True)
        rows = [row for number in range(patients) for row in _patient(partial, number, size, seed)]
        pd.DataFrame(rows).to_csv(partial / "labels.csv", index=False)
        (partial / "README.md").write_text(readme, encoding="utf-8")
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return table


def _patient(folder: Path, number: int, size: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng([seed, number])
    image, _, facts = draw(size, rng)
    label = "hair" if "hair" in str(facts["artefacts"]).split() else "clear"
    rows = []
    for letter, pixels in zip("ab", (image, _again(image, rng)), strict=True):
        name = f"images/p{number:03d}{letter}.png"
        Image.fromarray(pixels).save(folder / name)
        rows.append(
            {"image": name, "label": label, "patient": f"p{number:03d}", "tone": facts["tone"], "source": "SYNTHETIC"}
        )
    return rows


def _again(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The same lesion, photographed once more: mirrored, brighter or darker, with noise of its own."""
    lit = image[:, ::-1].astype(np.float32) * rng.uniform(0.9, 1.08) + rng.normal(0, 2, image.shape)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
