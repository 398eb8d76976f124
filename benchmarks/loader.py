"""Samples a second of Medgraft's loader alone against a workshop's DataLoader alone, at equal workers."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
from machine import describe_machine, heading, markdown, say
from native_size import enlarged, megapixels

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
from medgraft.data import Augmenter, Manifest, PixelStore, open_data, scale, training_loader
from medgraft.policy import POLICIES
from peers.workshop_loop import WorkshopDataset, loader, training_transform

POLICY = POLICIES["dermoscopy"]
Pass = Callable[[int], int]
"""Reads epoch number N to its end and returns how many samples it gave, as float images."""


def main() -> None:
    """Measure each size and number of workers, and print a row for each."""
    options = _options()
    machine = describe_machine()
    manifest = open_data(enlarged(options.data) if options.native else options.data)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.size:
            start = time.perf_counter()
            store = PixelStore.open(manifest, size, cache=Path(folder))
            once = time.perf_counter() - start
            for workers in options.workers:
                rows.append(_row(manifest, store, size, workers, once, options))
    print(heading("The loader alone", machine))
    print(f"{len(manifest.train)} images of {megapixels(manifest):.1f} megapixels on average, in batches of", end=" ")
    print(f"{options.batch_size}. Samples a second: median of {options.rounds} rounds, the two in turn.\n")
    columns = ["size", "workers", "Medgraft (least to most)", "loop (least to most)", "ratio", "once: store"]
    print(markdown(columns, rows))


def _row(
    manifest: Manifest, store: PixelStore, size: int, workers: int, once: float, options: argparse.Namespace
) -> list[str]:
    passes = {
        "medgraft": _medgraft(manifest, store, workers, options.batch_size),
        "loop": _workshop(manifest, size, workers, options.batch_size),
    }
    rates: dict[str, list[float]] = {name: [] for name in passes}
    for name, read in passes.items():
        read(0)  # starts the workers and brings the files into memory, for both sides
        say(f"{size} px, {workers} workers: {name} is warm")
    for _ in range(options.rounds):
        for name, read in passes.items():
            rates[name].append(_samples_a_second(read, options.seconds))
            say(f"{size} px, {workers} workers: {name} {rates[name][-1]:.0f} samples a second")
    ratio = median(rates["medgraft"]) / median(rates["loop"])
    cells = [f"{median(found):.0f} ({min(found):.0f} to {max(found):.0f})" for found in rates.values()]
    return [f"{size} px", str(workers), *cells, f"{ratio:.0f}x", f"{once:.1f} s"]


def _samples_a_second(read: Pass, seconds: float) -> float:
    """Over whole epochs, as many as fill ``seconds``."""
    samples, epoch, start = 0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        epoch += 1
        samples += read(epoch)
    return samples / elapsed


def _medgraft(manifest: Manifest, store: PixelStore, workers: int, batch_size: int) -> Pass:
    batches = training_loader(store, manifest.rows("train"), Augmenter(POLICY), batch_size, seed=0, workers=workers)

    def read(epoch: int) -> int:
        batches.set_epoch(epoch)
        # The loop's loader gives floats, so the conversion counts here too.
        return sum(len(scale(batch.images)) for batch in batches)

    return read


def _workshop(manifest: Manifest, size: int, workers: int, batch_size: int) -> Pass:
    dataset = WorkshopDataset(manifest.train.table, training_transform(POLICY, size))
    batches = loader(dataset, batch_size, workers, training=True)
    return lambda epoch: sum(len(images) for images, _ in batches)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/isic2017"), help="folder with its own splits")
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128], help="working sizes in pixels")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="worker processes of both")
    parser.add_argument("--batch-size", type=int, default=16, help="images a batch of both")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, in turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="least length of a measurement")
    parser.add_argument("--native", action="store_true", help="enlarge the images to their native size first")
    return parser.parse_args()


if __name__ == "__main__":
    main()
