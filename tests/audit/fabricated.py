"""Data sets made of figures alone, as a scan would have found them, for checks that look at no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medgraft.audit.examined import Examined
from medgraft.audit.facts import LAYOUT, Scan
from medgraft.audit.hashing import WORDS
from medgraft.audit.near import NearDuplicates
from medgraft.data import LabelClasses, Manifest, MaskClasses
from medgraft.data.problems import collecting

IMAGE = {
    "error": "", "format": "PNG", "bytes": 1000, "height": 64, "width": 64, "channels": 1, "bits": 8, "grey": True,
    "digest": 0, "low": 0.0, "high": 1.0, "black": 0.01, "white": 0.01,
}  # fmt: skip
MASK = {
    "error": "", "height": 64, "width": 64, "same_size": True, "values": (0, 255), "value_count": 2,
    "foreground": 0.2, "top": False, "bottom": False, "left": False, "right": False, "digest": 0, "fit": 1.0,
    "better": "", "better_fit": float("nan"),
}  # fmt: skip
LEVELS = (0.1, 0.3, 0.4, 0.6, 0.9)


def scanned(images: list[dict], masks: list[dict] | None = None, brightness: list[float] | None = None) -> Scan:
    """A scan in which every image is ordinary, but for what is said of it; ``levels`` may be among that."""
    count = len(images)
    table = pd.DataFrame([IMAGE | {"digest": row} | image for row, image in enumerate(images)])
    levels = np.array([image.get("levels", LEVELS) for image in images], np.float32)
    mean = np.repeat(np.array(brightness or [0.4] * count, np.float32)[:, None], 3, axis=1)
    return Scan(
        images=table.drop(columns="levels", errors="ignore"),
        masks=None if masks is None else pd.DataFrame([MASK | {"digest": r} | m for r, m in enumerate(masks)]),
        hashes=np.zeros((count, WORDS), np.uint64),
        layouts=np.zeros((count, LAYOUT * LAYOUT), np.uint8),
        edges=np.zeros((count, 12), np.float32),
        text=np.zeros((count, 1), np.float32),
        means=mean,
        stds=np.full((count, 3), 0.2, np.float32),
        levels=levels,
    )


def near(count: int, pairs: list[tuple[int, int]]) -> NearDuplicates:
    """Near-duplicates, each pair a cluster of its own unless it shares an image with an earlier one."""
    clusters = np.full(count, -1)
    for number, (first, second) in enumerate(pairs):
        cluster = max(clusters[first], clusters[second])
        clusters[[first, second]] = number if cluster < 0 else cluster
    first, second = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return NearDuplicates(first, second, np.full(len(pairs), 3), np.zeros(len(pairs), np.int8), clusters, True)


def examined(
    folder: Path,
    labels: list[str] | None = None,
    *,
    images: list[dict] | None = None,
    masks: list[dict] | None = None,
    groups: list[str] | None = None,
    splits: list[str] | None = None,
    copies: list[list[int]] = (),
    pairs: list[tuple[int, int]] = (),
    brightness: list[float] | None = None,
    columns: dict[str, list] | None = None,
    **others,
) -> Examined:
    """A data set of images ``im00.png``, ``im01.png``, ... in ``folder``, with labels or with masks.

    ``copies`` are the rows of images with the same pixels, ``pairs`` those of near-duplicates.
    """
    count = len(labels if labels is not None else masks)
    names = [f"im{row:02d}" for row in range(count)]
    for name in names:
        (folder / f"{name}.png").touch()
    files = [str(folder / f"{name}.png") for name in names]
    table = {"id": names, "image": files, "target": files if labels is None else labels, **(columns or {})}
    table |= {"group": groups} if groups else {}
    table |= {"split": splits} if splits else {}
    with collecting() as problems:
        classes = None if labels is None else LabelClasses.infer(labels)
        manifest = Manifest(pd.DataFrame(table), folder, folder.name, others.pop("notes", ()), classes)
    exact = np.full(count, -1)
    for number, rows in enumerate(copies):
        exact[rows] = number
    every = [*pairs, *((rows[0], row) for rows in copies for row in rows[1:])]
    return Examined(
        manifest,
        scanned(images or [{}] * count, masks, brightness),
        (*problems, *others.pop("problems", ())),
        exact,
        near(count, every),
        **others,
    )


BINARY = MaskClasses(("background", "foreground"), ((0, 0, 0), (255, 255, 1)))
