"""An epoch of Medgraft against an epoch of a workshop's own loop: same model, same weights, same batch.

Both train a U-Net on the pretrained, "frozen" EfficientNet-Lite0 for the same number of epochs, on the CPU, and both
are scored by the same code on the same test images at the masks' own resolution.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
import numpy as np
import torch

from machine import describe_machine, heading, markdown, say
from native_size import enlarged, megapixels

# Before albumentations is imported: it would ask a server for its newest version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A
import cv2

from medgraft import Recipe, Run, fit
from medgraft.data import Manifest, PixelStore, open_data
from medgraft.evaluation import evaluate, paired_difference
from medgraft.models import ModelSpec, build_model, find_weights
from medgraft.progress import Observer
from medgraft.weightfile import save_weights
from peers.workshop_loop import Epoch, WorkshopDataset, loader, plain_transform, train, training_transform

COLUMN = "loop, {} workers"


@dataclass(frozen=True)
class Side:
    """One column of the table: seconds of each epoch by part, seconds spent once by part, the evaluated run."""

    training: list[float]
    waiting: list[float]
    validation: list[float]
    once: Mapping[str, float]
    run: Run

    @property
    def whole(self) -> float:
        """All epochs with what had to be done once before them."""
        return sum(self.training) + sum(self.validation) + sum(self.once.values())


class Narrator(Observer):
    """Says each epoch of Medgraft."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """One line."""
        say(f"medgraft, epoch {record['epoch']}: {record['seconds']:.2f} s, val Dice {record['val']['dice']:.3f}")


def main() -> None:
    """Train both sides at each size and print a table a size."""
    options = _options()
    machine = describe_machine()
    data = enlarged(options.data) if options.native else options.data
    manifest = open_data(data)
    print(heading("Medgraft against a workshop's own loop", machine))
    splits = ", ".join(f"{count} {split}" for split, count in manifest.split_counts().items())
    print(f"{manifest.name}: {splits}; images of {megapixels(manifest):.1f} megapixels on average.\n", flush=True)
    for size in options.size:
        with tempfile.TemporaryDirectory() as folder:
            _one_size(manifest, size, options, Path(folder))


def _one_size(manifest: Manifest, size: int, options: argparse.Namespace, folder: Path) -> None:
    # A fresh cache, so that the store is built and the encoder exported within what is measured.
    os.environ["MEDGRAFT_CACHE"] = str(folder / "cache")
    recipe = Recipe.make(
        strategy="frozen", size=size, epochs=options.epochs, batch_size=options.batch_size, seed=options.seed,
        patience=0, device="cpu",
    )  # fmt: skip
    sides = {"Medgraft": _medgraft(manifest, recipe, folder / "medgraft")}
    ours = sides["Medgraft"].run
    for workers in options.workers:
        sides[COLUMN.format(workers)] = _workshop(manifest, ours, workers, options.lr, folder / f"loop-{workers}")
    print(f"### {size} px, batch {options.batch_size}, {options.epochs} epochs\n")
    print(markdown(["", *sides], _rows(sides)))
    print(_prefix(ours), flush=True)


def _medgraft(manifest: Manifest, recipe: Recipe, folder: Path) -> Side:
    run = fit(manifest, recipe, out=folder, observer=Narrator())
    parts = [line["time"] for line in run.history]
    spent = run.environment["time"]
    return Side(
        training=[part["data"] + part["encoder"] + part["learning"] for part in parts],
        waiting=[part["data"] for part in parts],
        validation=[part["validation"] for part in parts],
        once={"store": spent["store"], "probe": spent["probe"]},
        run=run,
    )


def _workshop(manifest: Manifest, ours: Run, workers: int, lr: float, folder: Path) -> Side:
    recipe = ours.recipe
    model = _same_start(recipe)
    transform = training_transform(recipe.augment, recipe.size)
    transform.set_random_seed(recipe.seed)
    batch = recipe.batch_size
    training = loader(WorkshopDataset(manifest.train.table, transform), batch, workers, training=True)
    unchanged = WorkshopDataset(manifest.val.table, plain_transform(recipe.size))
    validation = loader(unchanged, batch, workers, training=False)

    def progress(number: int, epoch: Epoch) -> None:
        seconds = epoch.training + epoch.validation
        say(f"loop, {workers} workers, epoch {number}: {seconds:.2f} s, val Dice {epoch.dice:.3f}")

    epochs = train(model, training, validation, recipe.epochs, lr, progress)
    return Side(
        training=[epoch.training for epoch in epochs],
        waiting=[epoch.waiting for epoch in epochs],
        validation=[epoch.validation for epoch in epochs],
        once={},
        run=_scored(model, manifest, ours, folder),
    )


def _same_start(recipe: Recipe) -> torch.nn.Module:
    """The model that Medgraft's run began with, weight by weight, with no strategy applied to it."""
    torch.manual_seed(recipe.seed)
    weights = find_weights(recipe.encoder, recipe.weights)
    return build_model(ModelSpec(model=recipe.model, encoder=recipe.encoder).completed(weights), weights)


def _scored(model: torch.nn.Module, manifest: Manifest, ours: Run, folder: Path) -> Run:
    """Score the loop's model by Medgraft's own evaluation, on images resized as the loop resizes them."""
    run = Run.create(folder, ours.recipe)
    shutil.copyfile(ours.folder / "model.json", folder / "model.json")
    save_weights(folder / "model.safetensors", model.state_dict())
    store = PixelStore.open(manifest, ours.recipe.size)
    resize, images = A.Resize(ours.recipe.size, ours.recipe.size), np.zeros_like(store.images)
    for row in [*manifest.rows("val"), *manifest.rows("test")]:
        file = manifest.table["image"].iloc[row]
        images[row] = resize(image=cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB))["image"]
    evaluate(run, manifest, replace(store, images=images), Observer())
    return run


def _rows(sides: Mapping[str, Side]) -> list[list[str]]:
    ours = next(iter(sides.values()))
    peers = list(sides.values())[1:]
    rows = {
        "training epoch, without validation: median (least to most)": [
            _spread(side.training) for side in sides.values()
        ],
        "of it, waiting for batches": [_spread(side.waiting) for side in sides.values()],
        "validation of an epoch": [_spread(side.validation) for side in sides.values()],
        "**Medgraft's training epoch is faster by**": _gain(ours, peers, lambda side: median(side.training)),
        "once: decoding into the store": [_seconds(side.once.get("store")) for side in sides.values()],
        "once: probe, export of the encoder included": [_seconds(side.once.get("probe")) for side in sides.values()],
        "whole training, all of the above": [_seconds(side.whole) for side in sides.values()],
        "Medgraft's whole training is faster by": _gain(ours, peers, lambda side: side.whole),
        "test Dice (95% interval)": [side.run.scores.test["dice"].brief() for side in sides.values()],
        "Medgraft's Dice less the loop's, paired": ["", *(_difference(ours.run, peer.run) for peer in peers)],
    }
    return [[name, *cells] for name, cells in rows.items()]


def _gain(ours: Side, peers: list[Side], seconds: Any) -> list[str]:
    return ["", *(f"{seconds(peer) / seconds(ours):.1f}x" for peer in peers)]


def _difference(ours: Run, peer: Run) -> str:
    tables = [run.predictions.query("split == 'test'").set_index("id")["dice"] for run in (ours, peer)]
    found = paired_difference(tables[0].to_numpy(), tables[1].reindex(tables[0].index).to_numpy())
    return f"{found.interval.value:+.3f} ({found.interval.low:+.3f} to {found.interval.high:+.3f})"


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} s"


def _prefix(run: Run) -> str:
    """What the probe chose, and the engines it measured for the frozen encoder."""
    choices = run.environment["choices"]
    lines = [f"Chosen: {choices['engine']}, {choices['precision']}, {choices['memory_format']}."]
    figures = {name: ms for name, ms in choices["milliseconds"].items() if name.startswith("engine ")}
    if len(figures) > 1:
        measured = ", ".join(f"{name.removeprefix('engine ')} {ms:.1f} ms" for name, ms in figures.items())
        lines.append(f"Frozen encoder, one batch: {measured}.")
    for name, difference in choices["parity"].items():
        kind = "Root mean square" if name.endswith("bf16") else "Largest"
        lines.append(f"{kind} difference of {name} from torch in float32, as a share of a map's: {difference:.1e}.")
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/isic2017"), help="folder with its own splits")
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128], help="working sizes in pixels")
    parser.add_argument("--epochs", type=int, default=15, help="epochs of both")
    parser.add_argument("--batch-size", type=int, default=16, help="images a step of both")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="the loop's DataLoader workers")
    parser.add_argument("--lr", type=float, default=1e-3, help="the loop's rate for Adam")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the order and the changes")
    parser.add_argument("--native", action="store_true", help="enlarge the images to their native size first")
    return parser.parse_args()


if __name__ == "__main__":
    main()
