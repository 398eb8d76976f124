"""Scores, training time and memory of two runs of the command ``medgraft fit``, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import describe_machine, heading, markdown, say
from medgraft import Run

RUNS = {
    "frozen": "--strategy frozen --size 128",
    "full": "--strategy full --size 256 --batch-size 4 --accumulate 2 --epochs 30 --lr 1e-3 --patience 0",
}
_MEDGRAFT = [sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())"]


@dataclass(frozen=True)
class Measured:
    """A run with what its process took: seconds from start to end, and its largest resident memory in bytes."""

    run: Run
    command: str
    wall: float
    peak: int


def main() -> None:
    """Run what was asked for and print a table with a column a run."""
    options = _options()
    machine = describe_machine()
    chosen = [options.only] if options.only else list(RUNS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        measured = {name: _measure(name, options, folder, Path(temporary)) for name in chosen}
        print(heading("Accuracy, training time and memory", machine))
        for name, found in measured.items():
            print(f"{name}: `{found.command}`\n")
        columns = [_column(found) for found in measured.values()]
        print(markdown(["", *measured], [[row, *(column[row] for column in columns)] for row in columns[0]]))


def _measure(name: str, options: argparse.Namespace, folder: Path, temporary: Path) -> Measured:
    chosen = ["fit", str(options.data), *shlex.split(RUNS[name])]
    if options.epochs:
        chosen += ["--epochs", str(options.epochs)]
    command = [*chosen, "--out", str(folder / name)]
    # A fresh cache, so that decoding and export are within what is measured.
    environment = os.environ | {"MEDGRAFT_CACHE": str(temporary / f"cache-{name}")}
    say(f"medgraft {shlex.join(command)}")
    start = time.perf_counter()
    process = subprocess.Popen([*_MEDGRAFT, *command], stdout=sys.stderr, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"medgraft ended with code {process.returncode}; what it said stands above.")
    # Linux counts in units of 1024 bytes, macOS in bytes.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(Run(folder / name), f"medgraft {shlex.join(chosen)}", time.perf_counter() - start, peak)


def _column(found: Measured) -> dict[str, str]:
    run = found.run
    test, environment, epochs = run.scores.test, run.environment, run.history
    spent, choices = environment["time"], environment["choices"]
    best = max(epochs, key=lambda line: line["val"]["dice"])["epoch"]
    return {
        "test Dice (95% interval)": test["dice"].brief(),
        "test Jaccard (95% interval)": test["jaccard"].brief(),
        "test images": str(test["dice"].n),
        "training, validation of each epoch included": f"{spent['training']:.1f} s",
        "epochs (best on validation)": f"{len(epochs)} ({best})",
        "decoding into the store": f"{spent['store']:.1f} s",
        "probe": f"{spent['probe']:.1f} s",
        "evaluation": f"{spent['evaluation']:.1f} s",
        "whole command": f"{found.wall:.1f} s",
        "peak resident memory": f"{found.peak / 1e9:.2f} GB",
        "chosen by the probe": f"{choices['engine']}, {choices['precision']}, {choices['memory_format']}",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/isic2017"), help="folder of images and masks")
    parser.add_argument("--only", choices=list(RUNS), help="one of the two runs")
    parser.add_argument("--out", type=Path, help="keep the run folders here")
    parser.add_argument("--epochs", type=int, help="other than the run's own, to try the script")
    return parser.parse_args()


if __name__ == "__main__":
    main()
