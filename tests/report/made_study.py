"""A made-up study's folder: the files that trainings would have left, with skills that are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from medgraft.recipe import Recipe
from medgraft.studies.cell import Cell
from medgraft.studies.folder import Plan, Study
from medgraft.studies.grid import Grid
from medgraft.studies.row import Row
from medgraft.studies.terms import Terms

SKILLS = {("RI", 50): 0.1, ("ST", 50): 0.25, ("WT", 50): 2.6, ("RI", None): 1.7, ("ST", None): 1.7, ("WT", None): 1.7}


def make_study(
    folder: Path,
    *,
    skills: Mapping[tuple[str, int | None], float] = SKILLS,
    encoders: Sequence[str] = ("resnet50",),
    seeds: int = 3,
    folds: int = 0,
    count: int = 80,
    failed: Mapping[str, str] | None = None,
    waiting: Sequence[str] = (),
    data: str = "xrays",
    masks: bool = False,
    solved: bool = False,
    synthetic: bool = False,
    by_encoder: Mapping[str, float] | None = None,
) -> Study:
    """Write a study of two classes (or of masks) whose models know the truth as well as ``skills`` say by (init, n).

    ``by_encoder`` are skills by encoder instead; ``failed`` (with reasons) and ``waiting`` are cells by id; ``solved``
    has heads without epochs.
    """
    inits, sizes = tuple(dict.fromkeys(init for init, _ in skills)), tuple(dict.fromkeys(n for _, n in skills))
    grid = Grid(tuple(encoders), inits, ("full",), sizes, tuple(range(seeds)), folds)
    task = "segmentation" if masks else "classification"
    recipe = Recipe.make(task=task, model="encoder_unet" if masks else "classifier")
    plan = Plan({"name": data, "images": 600, "root": data, "digest": "0"}, grid, Terms((1e-4, 1e-3)), recipe)
    study = Study.create(folder, plan)
    rows = []
    for number, cell in enumerate(grid.cells()):
        if failed and cell.id in failed:
            rows.append(Row(cell, data, "failed", error=failed[cell.id], seconds=1.0))
        elif cell.id in waiting:
            rows.append(Row(cell, data))
        else:
            skill = by_encoder[cell.encoder] if by_encoder else skills[cell.init, cell.n]
            rows.append(_trained(study, cell, skill, number, count, masks, solved, synthetic))
    study.write_cells(rows)
    return study


def _trained(
    study: Study, cell: Cell, skill: float, number: int, count: int, masks: bool, solved: bool, synthetic: bool
) -> Row:
    place = study.place(cell)
    place.mkdir(parents=True)
    study.plan.recipe.save(place / "recipe.yaml")
    table = _masks(cell, skill, number, count) if masks else _labels(cell, skill, number, count)
    table.to_csv(place / "predictions.csv", index=False)
    info = {"data": {"name": "xrays", "synthetic": synthetic}}
    (place / "environment.json").write_text(json.dumps(info))
    lines = [
        {"epoch": k, "seconds": 2.0, "monitor": "auc", "val": {"loss": 1.0, "auc": value, "dice": value}}
        for k, value in enumerate((0.5, 0.7, 0.79, 0.8), start=1)
    ]
    lines = [line | {"penalty": 1.0, "chosen": False} for line in lines] if solved else lines
    (place / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    test = table[table["split"] == "test"]
    if masks:
        scores = {"dice": float(test["dice"].mean())}
    else:
        truth = test["target"] == "ill"
        scores = {
            "auc": float(roc_auc_score(truth, test["p_ill"])),
            "kappa": float(cohen_kappa_score(truth, test["predicted"] == "ill", weights="quadratic")),
        }
    (place / "scores.json").write_text("{}")
    return Row(
        cell, str(study.plan.data["name"]), "finished", lr=None if solved else 1e-3, seconds=8.5,
        images=420 if cell.n is None else cell.n, epochs=len(lines), metrics={"test": scores, "val": scores},
    )  # fmt: skip


def _labels(cell: Cell, skill: float, number: int, count: int) -> pd.DataFrame:
    """Noise that all cells share, of the images, and noise of the cell's own."""
    shared = np.random.default_rng((99, cell.fold))
    truth = np.arange(count) % 2
    logits = (
        skill * (truth - 0.5) * 2 + shared.normal(size=count) + 0.5 * np.random.default_rng(number).normal(size=count)
    )
    ill = 1 / (1 + np.exp(-logits))
    return pd.DataFrame({
        "id": [f"f{cell.fold}-{k:03d}" for k in range(count)],
        "image": "x.png",
        "target": np.where(truth == 1, "ill", "well"),
        "group": [f"p{cell.fold}-{k // 2}" for k in range(count)],
        "split": "test",
        "predicted": np.where(ill >= 0.5, "ill", "well"),
        "p_well": 1 - ill,
        "p_ill": ill,
    })  # fmt: skip


def _masks(cell: Cell, skill: float, number: int, count: int) -> pd.DataFrame:
    shared = np.random.default_rng((99, cell.fold)).normal(size=count)
    own = np.random.default_rng(number).normal(size=count)
    dice = np.clip(0.6 + 0.05 * skill + 0.04 * shared + 0.02 * own, 0, 1)
    ids = [f"f{cell.fold}-{k:03d}" for k in range(count)]
    return pd.DataFrame({"id": ids, "image": "x.png", "target": "y.png", "split": "test", "dice": dice})
