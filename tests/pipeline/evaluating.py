"""Small runs to evaluate, trained once, and what tests of evaluate ask of their folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from medgraft import Run, fit
from medgraft.pipeline.evaluate import Evaluation, evaluate_run
from medgraft.progress import Observer

LABELS = {"size": 64, "bootstrap": 100, "engine": "torch", "precision": "fp32", "memory_format": "contiguous"}
MASKS = {
    "model": "unet", "strategy": "scratch", "widths": "4,8", "size": 32, "epochs": 4, "lr": 0.02,
    "precision": "fp32", "memory_format": "contiguous", "bootstrap": 100,
}  # fmt: skip


class Heard(Observer):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def draw_shapes(folder: Path, count: int, seed: int, noise: float = 0) -> Path:
    """A folder each of crosses and of discs, on noisy ground."""
    rng = np.random.default_rng(seed)
    for name in ("cross", "disc"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(60, 110, (48, 48, 3)).astype(np.uint8)
            x, y, r = (int(value) for value in (*rng.integers(16, 32, 2), rng.integers(8, 13)))
            if name == "disc":
                cv2.circle(image, (x, y), r, (200, 190, 180), -1)
            else:
                cv2.line(image, (x - r, y), (x + r, y), (200, 190, 180), 3)
                cv2.line(image, (x, y - r), (x, y + r), (200, 190, 180), 3)
            spoiled = (image + rng.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name}_{number:02d}.png"), spoiled)
    return folder


def mirrored(folder: Path, place: Path, count: int) -> Path:
    """The first images of images/ and masks/, left and right swapped."""
    for kind in ("images", "masks"):
        (place / kind).mkdir(parents=True)
        for file in sorted((folder / kind).iterdir())[:count]:
            swapped = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[:, ::-1]
            cv2.imwrite(str(place / kind / file.name), swapped)
    return place


def table_of(folder: Path) -> Path:
    """Write a table of the images of two class folders: two images a patient, with columns to make subgroups by.

    Every sixth image has the wrong label, so that a model is never right throughout.
    """
    files = sorted(folder.rglob("*.png"))
    rows = [
        {"file": str(file.relative_to(folder)), "label": file.parent.name, "patient": f"p{i // 2}",
         "sex": "FM"[i % 2], "age": 20 + 3 * i}
        for i, file in enumerate(files)
    ]  # fmt: skip
    for row in rows[::6]:
        row["label"] = {"cross": "disc", "disc": "cross"}[str(row["label"])]
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def trained(data: Path, out: Path, **options: object) -> Run:
    """A run, trained without a word, and without a report, which other tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("one_run", "crossval"):
            patch.setattr(f"medgraft.pipeline.{module}.run_report", lambda *_: out / "report.html")
        return fit(data, out=out, observer=Observer(), **options)


def copied(run: Run, place: Path) -> Run:
    """A copy of a run, to change."""
    return Run(shutil.copytree(run.folder, place / run.name))


def evaluated(run: Run, *arguments: object, **options: object) -> tuple[Evaluation, list[str]]:
    """An evaluation and what it said."""
    heard = Heard()
    return evaluate_run(run, *arguments, observer=heard, **options), heard.lines


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below the folder with its contents."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def without_pages(patch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing of charts and the distance, which take longer than all else together."""

    def written(folder: Path, *_: object) -> Path:
        (folder / "report.html").write_text("")
        return folder / "report.html"

    patch.setattr("medgraft.pipeline.evaluate.evaluation_report", written)
    patch.setattr("medgraft.pipeline.evaluate.run_report", lambda *_: None)
    patch.setattr("medgraft.pipeline.evaluate.measure_distance", lambda *_: None)
