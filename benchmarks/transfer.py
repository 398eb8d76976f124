"""Does transfer help on four real sets: random, statistics and weights initialisation of EfficientNet-Lite0.

One study for each of X-rays, lesions (masks and labels) and blood cells: three initialisations, three seeds, two
numbers of training images, the same learning rates for all. It prints the table of all four, what pretrained weights
gave over their statistics and these over chance, and how long the whole took. The studies stay in ``--out``, each with
its report; a run that broke off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from machine import describe_machine, heading, markdown, say

SHARED = Path("../shared/data")
SETS: dict[str, list[str]] = {
    "X-rays": [str(SHARED / "nih_cxr/labels.csv"), "--group", "nih_patient", "--n", "100", "all"],
    "lesions, masks": [str(SHARED / "isic2017"), "--n", "100", "all"],
    "lesions, labels": [str(SHARED / "isic2017/labels.csv"), "--n", "100", "all"],
    "blood cells": [str(SHARED / "blood_cells/labels.csv"), "--group", "source_image_group", "--n", "100", "400"],
}
GAINS = (("WT", "RI"), ("WT", "ST"), ("ST", "RI"))


def main() -> None:
    """Train what is not trained yet, and print."""
    arguments = _arguments()
    machine = describe_machine()
    spent: dict[str, float] = {}
    for name in arguments.only or SETS:
        say(name)
        start = time.perf_counter()
        _study(SETS[name], arguments, _place(arguments.out, name))
        spent[name] = time.perf_counter() - start
    print(heading("RI, ST and WT on four sets", machine))
    found = {name: _read(_place(arguments.out, name)) for name in spent}
    print(_scores(found))
    print(_gains(found))
    each = "; ".join(f"{name} {seconds / 60:.1f}" for name, seconds in spent.items())
    print(f"Minutes in this run: {sum(spent.values()) / 60:.1f} ({each}).")


def _study(own: list[str], arguments: argparse.Namespace, out: Path) -> None:
    words = [
        "study", *own, "--out", str(out), "--seeds", "3", "--init", "RI", "ST", "WT", "--size", str(arguments.size),
        "--epochs", str(arguments.epochs), "--jobs", str(arguments.jobs),
        "--lr-grid", *map(str, arguments.lr_grid), *(["--resume"] if out.exists() else []),
    ]  # fmt: skip
    command = "import sys; from medgraft.cli.main import main; sys.exit(main())"
    if subprocess.run([sys.executable, "-c", command, *words], stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"medgraft {' '.join(words)} failed")


def _place(out: Path, name: str) -> Path:
    return out / name.replace(",", "").replace(" ", "-").lower()


def _read(folder: Path) -> tuple[Mapping[str, Any], pd.DataFrame]:
    report = json.loads((folder / "report/report.json").read_text(encoding="utf-8"))
    return report, pd.read_csv(folder / "report/gain.csv", dtype={"n": str})


def _scores(found: Mapping[str, tuple[Mapping[str, Any], pd.DataFrame]]) -> str:
    rows = []
    for name, (report, _) in found.items():
        for line in report["table"]["lines"]:
            scores = [f"{entry['mean']:.3f} ± {entry['sd']:.3f}" for entry in line["entries"]]
            rows.append([name, report["title"], line["names"][-1], *scores])
    return markdown(["Set", "Score", "n", *report["table"]["columns"]], rows)


def _gains(found: Mapping[str, tuple[Mapping[str, Any], pd.DataFrame]]) -> str:
    rows = []
    for name, (_, gains) in found.items():
        for n, own in gains.groupby("n", sort=False):
            by_pair = own.set_index(["better", "worse"])
            rows.append([name, str(n), *(_gain(by_pair.loc[pair]) for pair in GAINS)])
    return markdown(["Set", "n", *(f"{better} − {worse}" for better, worse in GAINS)], rows)


def _gain(row: pd.Series[Any]) -> str:
    told = "**" if row["told"] == "told" else ""
    return f"{told}{row['gain']:+.3f}{told} ({row['low']:+.3f} to {row['high']:+.3f})".replace("-", "−")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("studies"))
    parser.add_argument("--only", nargs="+", choices=list(SETS), metavar="SET")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--lr-grid", nargs="+", type=float, default=[3e-4, 1e-3])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
