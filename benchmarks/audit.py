"""Looking at many images: against a bare parallel decode, against cleanvision, and the search among 100,000 hashes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
import numpy as np
from PIL import Image

from machine import describe_machine, heading, markdown, say
from medgraft.audit.near import exact_duplicates, near_duplicates
from medgraft.audit.scan import scan
from medgraft.data import read_image
from peers.audit_pictures import COPIES, write_pictures


def main() -> None:
    """Write the pictures, and measure what was asked for."""
    options = _options()
    if options.peak:
        print(_peak_of_a_scan(options.folder))
        return
    machine = describe_machine()
    print(heading("Looking at many images", machine))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        files = write_pictures(Path(folder) / "many", options.count)
        size = sum(file.stat().st_size for file in files) / len(files) / 1000
        say(f"{len(files)} files of {size:.0f} kB in {time.perf_counter() - start:.0f} s")
        print(f"{len(files):,} JPEG files of 512 px, half colour and half grey, {size:.0f} kB on average;", end=" ")
        print(f"{options.workers} threads, {options.rounds} rounds in turn, median (least to most).\n")
        _against_decoding(list(map(str, files)), options)
        _memory(Path(folder) / "few", Path(folder) / "many", options.count)
        if options.peer:
            _against_cleanvision(Path(folder) / "many", options)
    _hashes(options.hashes)


def _against_decoding(files: list[str], options: argparse.Namespace) -> None:
    def pillow(file: str) -> object:
        return np.asarray(Image.open(file)).shape

    passes: dict[str, Callable[[], object]] = {
        "bare decode: Pillow into arrays": lambda: _each(files, pillow, options.workers),
        "bare decode: Medgraft's `read_image`": lambda: _each(files, read_image, options.workers),
        "Medgraft's look at them": lambda: scan(files, workers=options.workers),
    }
    _each(files, lambda file: Path(file).read_bytes(), options.workers)  # into the memory of the system
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(options.rounds):
        for name, run in passes.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            say(f"{name}: {seconds[name][-1]:.1f} s")
    ours = list(seconds.values())[-1]
    rows = []
    for name, found in seconds.items():
        ratios = [b / a for a, b in zip(found, ours, strict=True)]
        rows.append([name, _spread(found), f"{len(files) / median(found):,.0f}", _spread(ratios, 2)])
    print(markdown(["pass", "seconds", "images a second", "the look takes so many times as long"], rows))


def _each(files: list[str], work: Callable[[str], object], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, files):
            pass


def _memory(few: Path, many: Path, count: int) -> None:
    """Peak memory of fresh processes that look at a tenth of the images, and at all."""
    few.mkdir()
    for file in sorted(many.iterdir())[: count // 10]:
        (few / file.name).hardlink_to(file)
    rows = []
    for folder, images in ((few, count // 10), (many, count)):
        command = [sys.executable, __file__, "--peak", "--folder", str(folder)]
        peak = int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        rows.append([f"{images:,}", f"{peak / 1e6:,.0f} MB"])
    print(markdown(["images", "peak memory of the process, Python and its packages included"], rows))


def _peak_of_a_scan(folder: Path) -> int:
    """Look at a folder and search its duplicates; the kernel's own peak of this process in bytes."""
    found = scan(sorted(map(str, folder.iterdir())))
    near_duplicates(found.hashes)
    exact_duplicates(found)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _against_cleanvision(folder: Path, options: argparse.Namespace) -> None:
    start = time.perf_counter()
    found = scan(sorted(map(str, folder.iterdir())), workers=options.workers)
    near = near_duplicates(found.hashes)
    exact_duplicates(found)
    ours = time.perf_counter() - start
    say(f"medgraft: {ours:.1f} s")
    script = Path(__file__).parent / "peers" / "cleanvision_pass.py"
    command = [options.peer, str(script), str(folder), str(options.workers)]
    # Its progress bars go nowhere; a line for each step of them would hide all else.
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    theirs = json.loads(said.splitlines()[-1])
    copies = options.count // COPIES
    right = sum(b - a == options.count - copies for a, b in zip(near.first, near.second, strict=True))
    times = {name: f"{theirs[name] / ours:.1f}x" for name in ("duplicates", "all")}
    rows = [
        ["Medgraft: all figures, exact and near-duplicates", f"{ours:.1f}", "", f"{2 * right} of {2 * copies}"],
        ["cleanvision: duplicates", f"{theirs['duplicates']:.1f}", times["duplicates"], f"{theirs['near']} flagged"],
        ["cleanvision: all its issues", f"{theirs['all']:.1f}", times["all"], ""],
    ]
    print(markdown(["on the same folder", "seconds", "times Medgraft's", f"images in {copies} planted pairs"], rows))
    wrong = len(near.first) - right
    print(f"Half of the planted copies are flipped. Pairs that Medgraft named and nobody planted: {wrong}.\n")


def _hashes(count: int) -> None:
    """Search among hashes: random ones, and such as agree in most bits, as those of one camera do."""
    rng = np.random.default_rng(0)
    rows = []
    for name, share in (("random", 0.5), ("of one kind of picture, two random ones agree in 63 of 100 bits", 0.25)):
        common = rng.integers(0, 2**64, (1, 4), dtype=np.uint64)
        differing = np.packbits(rng.random((count, 256)) < share, axis=1).view(np.uint64)
        hashes = common ^ differing
        hashes[:, 0] &= ~np.uint64(1)
        hashes[-100:] = hashes[:100] ^ np.uint64(1 << 20)
        start = time.perf_counter()
        found = near_duplicates(hashes)
        rows.append([f"{count:,}, {name}", f"{time.perf_counter() - start:.1f}", f"{len(found.first)} of 100"])
        say(rows[-1][1])
    print(markdown(["hashes", "seconds", "planted pairs found"], rows))


def _spread(values: list[float], digits: int = 1) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="pictures to write and look at")
    parser.add_argument("--hashes", type=int, default=100_000, help="hashes to search among")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads of both passes")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn")
    parser.add_argument("--peer", help="a Python that has cleanvision: python -m venv V; V/bin/pip install cleanvision")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
