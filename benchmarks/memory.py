"""Memory to open a large pixel store and to read random batches from it, against reading the arrays whole."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from machine import describe_machine, heading, markdown, say
from medgraft.data import Augmenter, Manifest, PixelStore, generate, open_data, training_loader
from medgraft.policy import POLICIES


def main() -> None:
    """Build the store, then let two fresh processes read it, mapped and whole."""
    options = _options()
    if options.read:
        print(json.dumps(READERS[options.read](options.store, options.batches)))
        return
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        store = _build(Path(folder), options)
        seconds = time.perf_counter() - start
        found = {name: _in_a_fresh_process(name, store.path, options.batches) for name in READERS}
        arrays = store.images.nbytes + store.masks.nbytes
    print(heading("Memory of a large store", machine))
    print(
        f"{options.count} images at {options.size} px with masks: {_size(arrays)} on disk, built in {seconds:.0f} s.\n"
    )
    columns = ["resident memory", "Medgraft's store, mapped", "the same arrays by numpy.fromfile"]
    print(markdown(columns, [[row, *(_size(column[row]) for column in found.values())] for row in found["mapped"]]))
    print(f"Read: {options.batches} random, augmented batches of 16. Pages of a mapped file count as resident")
    print("while they lie in memory, and are given back when another program wants the room.")


def read_mapped(path: Path, batches: int) -> dict[str, int]:
    """Open the store and read random batches as a training does."""
    before = _resident()
    store = PixelStore.load(path)
    opened = _resident()
    loader = training_loader(store, np.arange(len(store)), Augmenter(POLICIES["dermoscopy"]), 16, seed=0)
    for _, _batch in zip(range(batches), loader, strict=False):
        pass
    return _report(before, opened)


def read_whole(path: Path, batches: int) -> dict[str, int]:
    """Read the arrays into memory, and random images from them."""
    before = _resident()
    images, masks = np.fromfile(path / "images.bin", np.uint8), np.fromfile(path / "masks.bin", np.uint8)
    opened = _resident()
    count = len(np.load(path / "sizes.npy"))
    images, masks = images.reshape(count, -1), masks.reshape(count, -1)
    rng = np.random.default_rng(0)
    for _ in range(batches):
        rows = rng.integers(count, size=16)
        images[rows], masks[rows]
    return _report(before, opened)


READERS = {"mapped": read_mapped, "whole": read_whole}


def _build(folder: Path, options: argparse.Namespace) -> PixelStore:
    """A store of ``count`` rows made from few files, each named in many rows; a store does not know the difference."""
    few = open_data(generate(folder / "images", count=min(options.files, options.count), size=options.size)).table
    table = few.iloc[np.arange(options.count) % len(few)][["image", "target"]].reset_index(drop=True)
    manifest = Manifest(pd.concat([pd.Series(table.index.astype(str), name="id"), table], axis=1), folder, "many")

    def progress(done: int, total: int) -> None:
        if done % 1000 == 0:
            say(f"store: {done} of {total} images")

    return PixelStore.open(manifest, options.size, cache=folder / "stores", progress=progress)


def _in_a_fresh_process(reader: str, path: Path, batches: int) -> dict[str, int]:
    command = [sys.executable, __file__, "--read", reader, "--store", str(path), "--batches", str(batches)]
    found: dict[str, int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _report(before: int, opened: int) -> dict[str, int]:
    found = {
        "before, Python with torch": before,
        "after opening": opened,
        "peak while reading batches": _peak(),
    }
    memory: Any = psutil.Process().memory_info()
    if hasattr(memory, "shared"):
        found["at the end, without pages of files"] = memory.rss - memory.shared
    return found


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    # Linux hands getrusage's peak down from the process that started this one, so that of the kernel's own table.
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="images in the store")
    parser.add_argument("--size", type=int, default=256, help="side in pixels")
    parser.add_argument("--files", type=int, default=16, help="different images among them")
    parser.add_argument("--batches", type=int, default=100, help="random batches of 16 to read")
    parser.add_argument("--read", choices=list(READERS), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
