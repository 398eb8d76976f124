"""How far the advised strategy is from the best one: every strategy trained on four sets, and the advice itself.

Each strategy is trained with fit's own options for it, and so is what ``advise`` recommends, at one working size. What
is lost by following the advice (its regret) is the best strategy's test score less the advised recipe's, with the
paired interval of ``medgraft compare``. The best of several is best in part by luck, so regret is rather too large.
Runs that are in ``--out`` already are not trained again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from machine import describe_machine, heading, markdown, say
from medgraft import Recipe, Run, advise, fit
from medgraft.evaluation import compare
from medgraft.progress import Observer

SHARED = Path("../shared/data")
SETS: dict[str, dict[str, Any]] = {
    "isic2017": {"data": SHARED / "isic2017"},
    "nuclei": {"data": SHARED / "nuclei"},
    "nih_cxr": {"data": SHARED / "nih_cxr/labels.csv", "group": "nih_patient"},
    "blood_cells": {"data": SHARED / "blood_cells/labels.csv", "group": "source_image_group"},
}
STRATEGIES = ("frozen", "partial", "lp_ft", "gradual", "full", "scratch")
METRICS = {"segmentation": "dice", "classification": "auc"}
SIZE = 128


def main() -> None:
    """Train what is not there yet, and print the table."""
    arguments = _arguments()
    machine = describe_machine()
    os.environ.setdefault("MEDGRAFT_CACHE", tempfile.mkdtemp())
    out = arguments.out or Path(tempfile.mkdtemp())
    rows = []
    for name in SETS:
        runs = {each: train(name, each, {"strategy": each}, out) for each in arguments.strategies}
        rows.append(_row(name, runs, out))
    print(heading(f"Regret of the advice, {SIZE} px, test images", machine))
    print(markdown(["Set", *arguments.strategies, "advised", "its score", "regret"], rows))


def _row(name: str, runs: dict[str, Run], out: Path) -> list[str]:
    advice = advise(**_options(name), observer=Observer())
    advised = _same(runs, advice.options) or train(name, "advised", advice.options, out)
    metric = METRICS[advised.recipe.task]
    scores = {strategy: run.scores["test"][metric].value for strategy, run in runs.items()}
    best = max(scores, key=lambda strategy: scores[strategy])
    shown = [f"**{score:.3f}**" if strategy == best else f"{score:.3f}" for strategy, score in scores.items()]
    found = compare({"advised": advised.predictions, "best": runs[best].predictions})
    regret = found.differences["best"][metric].interval
    return [f"{name} ({metric})", *shown, advice.step, f"{advised.scores['test'][metric].value:.3f}", regret.brief()]


def _same(runs: dict[str, Run], options: dict[str, Any]) -> Run | None:
    """The run that was trained with exactly these options, if there is one."""
    for run in runs.values():
        wanted = Recipe.make(run.recipe, **options).options()
        if wanted == run.recipe.options():
            return run
    return None


def train(name: str, what: str, options: dict[str, Any], out: Path) -> Run:
    """The finished run; trained, or gone on with, where it is not finished."""
    folder = out / f"{name}-{what}-0"
    say(folder.name)
    common = _options(name)
    if (folder / "recipe.yaml").is_file():
        return fit(common["data"], out=folder, resume=True, observer=Observer())
    return fit(out=folder, observer=Observer(), **(common | options))


def _options(name: str) -> dict[str, Any]:
    return {"size": SIZE} | SETS[name]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=STRATEGIES, help="which to compare with")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the runs here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
