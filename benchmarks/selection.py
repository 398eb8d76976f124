"""Which options score best on the validation split, over several seeds: what the quoted options rest on.

The test split plays no part: its scores are neither read nor printed.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

from machine import describe_machine, heading, markdown, say
from medgraft import Recipe, fit
from medgraft.progress import Observer

GRIDS: dict[str, tuple[dict[str, object], dict[str, list[float]]]] = {
    "frozen": ({"strategy": "frozen"}, {"lr": [1e-3, 2e-3, 4e-3]}),
    "full": (
        {"strategy": "full", "epochs": 30, "batch_size": 8, "patience": 0},
        {"lr": [1e-3, 2e-3], "ema": [0.0, 0.99]},
    ),
}
"""What is fixed, and what is tried, by strategy."""


def main() -> None:
    """Train each combination with each seed and print a row for each combination."""
    options = _options()
    machine = describe_machine()
    fixed, tried = GRIDS[options.strategy]
    rows = []
    for values in itertools.product(*tried.values()):
        combination = dict(zip(tried, values, strict=True))
        scores = [_score(options, {**fixed, **combination}, seed) for seed in range(options.seeds)]
        spread = f"{stdev(scores):.4f}" if len(scores) > 1 else ""
        cells = [f"{mean(scores):.4f}", spread, f"{min(scores):.4f}", f"{max(scores):.4f}"]
        rows.append([*(f"{value:g}" for value in values), *cells])
    print(heading(f"Options of {options.strategy} on the validation split", machine))
    print(f"{options.data.name}, {options.size} px, {options.seeds} seeds; Dice at the masks' own size.\n")
    print(markdown([*tried, "validation Dice, mean", "sd over seeds", "least", "most"], rows))


def _score(options: argparse.Namespace, combination: Mapping[str, object], seed: int) -> float:
    recipe = Recipe.make(**combination, size=options.size, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        run = fit(options.data, recipe, out=Path(folder) / "run", observer=Observer())
        score = float(run.scores["val"]["dice"])
    say(f"{combination}, seed {seed}: validation Dice {score:.4f}")
    return score


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("strategy", choices=list(GRIDS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/isic2017"), help="folder of images and masks")
    parser.add_argument("--size", type=int, default=128, help="working size in pixels")
    parser.add_argument("--seeds", type=int, default=3, help="of the weights and changes, and of a split")
    return parser.parse_args()


if __name__ == "__main__":
    main()
