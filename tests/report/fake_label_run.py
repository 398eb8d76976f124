"""Made-up folders of classification runs: two classes, several, several labels an image, and a cross-validation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score

from medgraft.recipe import Recipe

CHEST = ("no_finding", "pneumonia")
CELLS = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
SIGNS = ("atelectasis", "effusion", "nodule")


def draw_images(folder: Path, count: int, seed: int = 3) -> list[Path]:
    """Grey pictures with a bright blob, each different."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        pixels = rng.normal(70, 12, (60, 80))
        cv2.circle(pixels, (int(rng.integers(20, 60)), int(rng.integers(15, 45))), 4 + number % 11, 190.0, -1)
        file = folder / f"case_{number:03d}.png"
        cv2.imwrite(str(file), cv2.GaussianBlur(pixels.clip(0, 255).astype(np.uint8), (5, 5), 0))
        files.append(file)
    return files


def predictions(
    names: Sequence[str],
    files: Sequence[Path],
    *,
    multilabel: bool = False,
    skill: float = 1.6,
    seed: int = 0,
    groups: int = 0,
    shares: Sequence[float] | None = None,
    threshold: float = 0.5,
) -> pd.DataFrame:
    """Rows of predictions.csv, without the split; ``skill`` 0 is guessing."""
    rng = np.random.default_rng(seed)
    n, several = len(files), len(names)
    truth_rng = np.random.default_rng(99)
    if multilabel:
        truth = truth_rng.random((n, several)) < np.asarray(shares or [0.35] * several)
        probability = 1 / (1 + np.exp(-(rng.normal(size=(n, several)) + skill * (2 * truth - 1))))
        decided = probability >= threshold
    else:
        truth = np.eye(several, dtype=bool)[truth_rng.choice(several, n, p=shares)]
        logits = rng.normal(size=(n, several)) + skill * truth
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        decided = np.eye(several, dtype=bool)[probability.argmax(axis=1)]
        if several == 2:
            decided = np.stack([probability[:, 1] < threshold, probability[:, 1] >= threshold], axis=1)
    rows = {
        "id": [file.stem for file in files],
        "image": [str(file) for file in files],
        "target": texts(truth, names),
        "group": [f"patient {i % groups}" if groups else "" for i in range(n)],
        "predicted": texts(decided, names),
        **{f"p_{name}": probability[:, k] for k, name in enumerate(names)},
        "correct": (truth == decided).all(axis=1).astype(float),
    }
    return pd.DataFrame(rows)


def texts(marked: np.ndarray, names: Sequence[str]) -> list[str]:
    return ["|".join(name for name, there in zip(names, row, strict=True) if there) for row in marked]


def matrices(table: pd.DataFrame, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, decisions and probabilities, [n, classes], read in a way of the tests' own."""
    given, said = table["target"].fillna(""), table["predicted"].fillna("")
    truth = np.array([[name in text.split("|") for name in names] for text in given])
    decided = np.array([[name in text.split("|") for name in names] for text in said])
    return truth, decided, table[[f"p_{name}" for name in names]].to_numpy(float)


def table_of(folder: Path, split: str = "test") -> pd.DataFrame:
    """Rows of predictions.csv, read in a way of the tests' own."""
    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    return table[table["split"] == split]


def rewrite(folder: Path, file: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file of a run in place."""
    found = json.loads((folder / file).read_text())
    change(found)
    (folder / file).write_text(json.dumps(found))


def scored(table: pd.DataFrame, names: Sequence[str], multilabel: bool = False) -> dict[str, Any]:
    """Scores as sklearn gives them, with intervals that are no more than plausible."""
    truth, decided, probability = matrices(table, names)
    found: dict[str, float] = {}
    columns = [1] if len(names) == 2 and not multilabel else range(len(names))
    there = [k for k in columns if 0 < truth[:, k].sum() < len(truth)]
    areas = {k: roc_auc_score(truth[:, k], probability[:, k]) for k in there}
    precisions = {k: average_precision_score(truth[:, k], probability[:, k]) for k in there}
    found["auc"] = float(np.mean(list(areas.values()))) if areas else np.nan
    found["average_precision"] = float(np.mean(list(precisions.values()))) if areas else np.nan
    found["accuracy"] = float((truth == decided).all(axis=1).mean())
    if not multilabel:
        recalls = recall_score(truth, decided, average=None, zero_division=np.nan)
        found["balanced_accuracy"] = float(np.nanmean(recalls))
    found["brier"] = float(((probability - truth) ** 2).mean())
    for k, name in enumerate(names):
        if len(columns) > 1:
            found[f"auc_{name}"] = areas.get(k, np.nan)
            found[f"average_precision_{name}"] = precisions.get(k, np.nan)
        found[f"recall_{name}"] = recall_score(truth[:, k], decided[:, k]) if truth[:, k].any() else np.nan
        found[f"f1_{name}"] = f1_score(truth[:, k], decided[:, k], zero_division=0)
    return {metric: _interval(value, len(table)) for metric, value in found.items()}


def _interval(value: float, n: int) -> dict[str, Any]:
    if np.isnan(value):
        return {"value": None, "low": None, "high": None, "n": 0, "level": 0.95}
    half = 1.96 * (max(value * (1 - value), 0.01) / n) ** 0.5
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half), "n": n, "level": 0.95}


def epochs_history(count: int, monitor: str = "auc", start: int = 1) -> list[dict[str, Any]]:
    lines = []
    for e in range(start, start + count):
        loss = 0.5 * 0.8**e + 0.2
        val = {"loss": loss + 0.05, monitor: 0.9 - 0.3 * 0.7**e}
        lines.append({"epoch": e, "seconds": 1.5, "stage": "frozen", "monitor": monitor, "lr": {"head": 1e-3},
                      "train": {"loss": loss, monitor: val[monitor] + 0.03}, "val": val})  # fmt: skip
    return lines


def penalties_history(monitor: str = "auc") -> list[dict[str, Any]]:
    lines = []
    for e, penalty in enumerate((100.0, 10.0, 1.0, 0.1, 0.01, 0.001), start=1):
        score = 0.88 - 0.02 * (np.log10(penalty) + 1) ** 2
        line = {"epoch": e, "seconds": 0.1, "stage": "logistic regression", "penalty": penalty, "monitor": monitor,
                "lr": {}, "train": {"loss": 0.3 + 0.05 * np.log10(penalty), monitor: score + 0.04},
                "val": {"loss": 0.5 - score / 4, monitor: score}}  # fmt: skip
        lines.append(line | ({"chosen": True} if penalty == 0.1 else {}))
    return lines


def make_label_run(
    folder: Path,
    names: Sequence[str] = CHEST,
    *,
    count: int = 60,
    val: int = 30,
    multilabel: bool = False,
    skill: float = 1.6,
    seed: int = 0,
    groups: int = 24,
    threshold: float = 0.5,
    history: list[dict[str, Any]] | None = None,
    images: Path | None = None,
    shares: Sequence[float] | None = None,
    **model: Any,
) -> Path:
    """Write the folder of a run with a validation and a test split (none of either where its count is 0)."""
    files = draw_images(images or folder.parent / "images", count + val)
    table = predictions(names, files, multilabel=multilabel, skill=skill, seed=seed, groups=groups, shares=shares,
                        threshold=threshold)  # fmt: skip
    table.insert(4, "split", ["test"] * count + ["val"] * val)
    scores = {s: scored(part, names, multilabel) for s, part in table.groupby("split", sort=False)}
    kind = {"threshold": threshold, "classes": {"names": list(names), "multilabel": multilabel}}
    labels = {"train": dict.fromkeys(names, 420 // len(names)), **_counted(table, names)}
    return write_run(folder, table, scores, epochs_history(8) if history is None else history, labels, kind | model)


def make_folds(folder: Path, names: Sequence[str] = CHEST, *, folds: int = 4, count: int = 80, **more: Any) -> Path:
    """Write the folder of a cross-validation, with a folder a fold."""
    files = draw_images(folder.parent / "images", count)
    table = predictions(names, files, groups=40, **more)
    table.insert(4, "split", "test")
    table["fold"] = [1 + (i % 40) % folds for i in range(count)]
    parts = dict(list(table.groupby("fold")))
    scores = {"test": scored(table, names), **{f"fold {k}": scored(part, names) for k, part in parts.items()}}
    kind = {"threshold": 0.5, "classes": {"names": list(names), "multilabel": False}}
    for k, part in parts.items():
        history = epochs_history(5 + k)
        write_run(folder / f"fold-{k}", part, {"test": scores[f"fold {k}"]}, history, {}, kind)
    write_run(folder, table, scores, None, {"all": _counted(table, names)["test"]}, kind | {"folds": folds})
    return folder


def _counted(table: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, int]]:
    parts = table.groupby("split", sort=False)
    return {s: dict(zip(names, matrices(p, names)[0].sum(axis=0).tolist(), strict=True)) for s, p in parts}


def write_run(
    folder: Path,
    table: pd.DataFrame,
    scores: dict[str, Any],
    history: list[dict[str, Any]] | None,
    labels: dict[str, dict[str, int]],
    model: dict[str, Any],
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "predictions.csv", index=False)
    split = table[["id", "split", "group"]]
    files = {
        "scores.json": json.dumps(scores),
        "environment.json": json.dumps(_environment(folder.name, table, labels)),
        "model.json": json.dumps(_model() | model),
        "recipe.yaml": Recipe.make(strategy="frozen", size=224, task="classification", group="nih_patient").to_yaml(),
        "split.csv": split.to_csv(index=False),
    }
    if history is not None:
        files["history.jsonl"] = "".join(json.dumps(line) + "\n" for line in history)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def _environment(name: str, table: pd.DataFrame, labels: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "medgraft": "0.1.0", "python": "3.11.7", "torch": "2.9.0", "device": "cpu", "peak_rss_mb": 812.5,
        "choices": {"engine": "onnxruntime"},
        "time": {"store": 4.1, "training": 6.5, "evaluation": 1.2},
        "features": {"images": 600, "views": 1, "engine": "onnxruntime", "seconds": 3.1, "megabytes": 3.07, "stop": 9},
        "data": {"name": name, "images": 600, "splits": {"train": 420, **table["split"].value_counts().to_dict()},
                 "notes": ["labels.csv: column nih_patient read as the patient (group)"], "labels": labels,
                 "mean": [0.5], "std": [0.25], "synthetic": False},
    }  # fmt: skip


def _model() -> dict[str, Any]:
    parts = [("encoder stem", 928, False), ("encoder blocks.6", 2_400_000, False), ("head", 2_562, True)]
    return {
        "format": 1, "medgraft": "0.1.0", "task": "classification", "size": 224,
        "spec": {"model": "classifier", "encoder": "tf_efficientnet_lite0", "in_channels": 3, "classes": 1},
        "summary": [{"part": p, "shape": [32, 112, 112], "parameters": n, "trainable": n * t, "lr": 1e-3 * t}
                    for p, n, t in parts],
        "parameters": 2_403_490, "trainable": 2_562,
        "weights": {"source": "ImageNet weights from a package", "digest": "cd" * 32, "licence": "Apache-2.0"},
    }  # fmt: skip
