"""How far the advised strategy is from the best one: every strategy trained on four sets, the advice taken before.

Scores are those of the test images, on one split a seed; what is lost by following the advice (its regret) is the mean
over seeds of the best strategy's score less the advised one's. Strategies of the best mean score win in part by luck,
so a regret of 0.01 is within noise on sets this small. Runs that are in ``--out`` already are not trained again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from machine import describe_machine, heading, say
from medgraft import Run, fit
from medgraft.progress import Observer

SHARED = Path("../shared/data")
SETS: dict[str, dict[str, Any]] = {
    "isic2017": {"data": SHARED / "isic2017"},
    "nuclei": {"data": SHARED / "nuclei"},
    "nih_cxr": {"data": SHARED / "nih_cxr/labels.csv", "group": "nih_patient"},
    "blood_cells": {"data": SHARED / "blood_cells/labels.csv", "group": "source_image_group"},
}
STRATEGIES = ("frozen", "partial", "lp_ft", "gradual", "full", "scratch")
SIZE = 128


def main() -> None:
    """Train what is not there yet."""
    arguments = _arguments()
    machine = describe_machine()
    os.environ.setdefault("MEDGRAFT_CACHE", tempfile.mkdtemp())
    out = arguments.out or Path(tempfile.mkdtemp())
    print(heading("Regret of the advice", machine))
    for seed in range(arguments.seeds):
        for strategy in STRATEGIES:
            for name in SETS:
                train(name, strategy, seed, out)


def train(name: str, strategy: str, seed: int, out: Path) -> Run:
    """The finished run of a strategy; trained, or gone on with, where it is not finished."""
    folder = out / f"{name}-{strategy}-{seed}"
    say(folder.name)
    options: dict[str, Any] = {"size": SIZE, "seed": seed} | SETS[name]
    data = options.pop("data")
    if (folder / "recipe.yaml").is_file():
        return fit(data, out=folder, resume=True, observer=Observer())
    return fit(data, out=folder, strategy=strategy, observer=Observer(), **options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="splits and draws")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the runs here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
