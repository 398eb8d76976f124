"""A study against its cells by themselves: what sharing imports, pixels, features and measurements saves.

The study is run once, as ``medgraft study``. Then its cells are run one after another as a user without studies would:
``medgraft fit`` in a process of its own for each learning rate, on the same split, with the same options; with
``--alone K``, K of the cells, spread over the grid, stand for all. Images are decoded beforehand, for both. Beside wall
time stands processor time, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from machine import describe_machine, heading, markdown, say
from medgraft.studies import Cell, Study


@dataclass(frozen=True)
class Spent:
    """Seconds on the wall and of processors."""

    wall: float
    processor: float

    def times(self, factor: float) -> Spent:
        """As much, ``factor`` times."""
        return Spent(self.wall * factor, self.processor * factor)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    machine = describe_machine()
    common = [
        str(arguments.data), *(["--group", arguments.group] if arguments.group else []),
        "--size", str(arguments.size), "--epochs", str(arguments.epochs),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        say("decoding images")
        _run(["fit", *common, "--strategy", "frozen", "--out", str(folder / "warm")])
        say("the study")
        whole = _run([
            "study", *common, "--out", str(folder / "study"), "--jobs", str(arguments.jobs), "--seeds",
            str(arguments.seeds), "--n", *arguments.n, "--init", *arguments.init, "--strategy", *arguments.strategy,
            "--encoder", *arguments.encoder, "--lr-grid", *map(str, arguments.lr_grid),
        ])  # fmt: skip
        study = Study(folder / "study")
        cells = study.plan.grid.cells()
        some = _spread(cells, arguments.alone or len(cells))
        spent = []
        for number, cell in enumerate(some, start=1):
            say(f"cell {number} of {len(some)} by itself: {cell.id}")
            spent.append(_alone(study, cell, common, folder / "alone" / cell.id))
    alone = Spent(sum(s.wall for s in spent), sum(s.processor for s in spent)).times(len(cells) / len(some))
    print(heading("Studies", machine))
    what = f"{len(cells)} cells, {len(arguments.lr_grid)} rates"
    rows = [
        [f"each cell by itself ({len(some)} of {len(cells)} run)", f"{alone.wall:.0f}", f"{alone.processor:.0f}"],
        [f"medgraft study --jobs {arguments.jobs}", f"{whole.wall:.0f}", f"{whole.processor:.0f}"],
        ["ratio", f"{alone.wall / whole.wall:.1f}", f"{alone.processor / whole.processor:.1f}"],
    ]
    print(markdown([what, "wall seconds", "processor seconds"], rows))


def _alone(study: Study, cell: Cell, common: list[str], out: Path) -> Spent:
    """A cell as ``medgraft fit`` trains it, once for each rate that the study let it try."""
    row = study.cells.set_index("id").loc[cell.id]
    rates = study.plan.terms.rates if row["trials"] != 1 else study.plan.terms.rates[:1]
    spent = [
        _run([
            "fit", *common, "--out", f"{out}-{rate:g}", "--encoder", cell.encoder, "--init", cell.init, "--strategy",
            cell.strategy, "--seed", str(cell.seed), "--split-file", str(study.split_file()),
            *(["--train-images", str(cell.n)] if cell.n else []),
            "--lr", str(rate), "--encoder-lr", str(rate), "--decay", "1",
        ])
        for rate in rates
    ]  # fmt: skip
    return Spent(sum(s.wall for s in spent), sum(s.processor for s in spent))


def _run(words: list[str]) -> Spent:
    """A command of medgraft in a process of its own; SystemExit where it fails."""
    before, start = _children(), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())",
                           *words], capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        sys.exit(f"medgraft {' '.join(words)} failed:\n{done.stderr}")
    return Spent(time.perf_counter() - start, _children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spread(cells: tuple[Cell, ...], count: int) -> list[Cell]:
    """``count`` of the cells at equal steps."""
    return [cells[i] for i in np.unique(np.linspace(0, len(cells) - 1, min(count, len(cells))).round().astype(int))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nih_cxr/labels.csv"))
    parser.add_argument("--group", default="nih_patient")
    parser.add_argument("--encoder", nargs="+", default=["tf_efficientnet_lite0"])
    parser.add_argument("--init", nargs="+", default=["RI", "ST", "WT"])
    parser.add_argument("--strategy", nargs="+", default=["frozen", "full"])
    parser.add_argument("--n", nargs="+", default=["100", "all"])
    parser.add_argument("--lr-grid", nargs="+", type=float, default=[3e-4, 1e-3])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--alone", type=int, default=0, metavar="K", help="cells that are run by themselves (0: all)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
