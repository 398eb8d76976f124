"""Scores of strategies: chest X-rays by patient in five folds, blood cells on their own train and test.

``--choose`` prints the scores of validation images alone, so that options can be compared without the test images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
import numpy as np

from machine import describe_machine, heading, markdown, say
from medgraft import Run, fit
from medgraft.evaluation import compare, fold_scores
from medgraft.progress import Observer
from medgraft.ranking import macro_auc

SHARED = Path("../shared/data")
XRAYS: dict[str, dict[str, Any]] = {
    "frozen": {},
    "partial": {"strategy": "partial", "patience": 0},
    "partial, 3 blocks": {"strategy": "partial", "blocks": 3, "patience": 0},
}
CELLS: dict[str, dict[str, Any]] = {
    "frozen": {},
    "partial": {"strategy": "partial", "patience": 0},
}


def main() -> None:
    """Train, and print a table for each data set."""
    arguments = _arguments()
    machine = describe_machine()
    os.environ.setdefault("MEDGRAFT_CACHE", tempfile.mkdtemp())
    out = arguments.out or Path(tempfile.mkdtemp())
    if arguments.only in (None, "xrays"):
        runs = {
            name: _fit(SHARED / "nih_cxr/labels.csv", out / f"xrays-{name}", group="nih_patient", folds=5, **options)
            for name, options in XRAYS.items()
        }
        print(heading("Chest X-rays, five folds by patient", machine))
        print(_chosen(runs) if arguments.choose else _xrays(runs))
    if arguments.only in (None, "cells"):
        runs = {
            name: _fit(SHARED / "blood_cells/labels.csv", out / f"cells-{name}", group="source_image_group", **options)
            for name, options in CELLS.items()
        }
        print(heading("Blood cells, their own train and test", machine))
        print(_chosen(runs) if arguments.choose else _cells(runs))


def _fit(data: Path, out: Path, **options: Any) -> Run:
    say(f"{out.name}")
    return fit(data, out=out, observer=Observer(), **options)


def _xrays(runs: Mapping[str, Run]) -> str:
    """Pooled scores with intervals, mean and deviation over folds, and the difference from the first."""
    found = compare({name: run.predictions for name, run in runs.items()})
    rows = []
    for name, run in runs.items():
        folds = fold_scores(run.predictions, run.model_info["classes"]["names"], False)
        pooled = run.scores["test"]["auc"]
        gain = "" if name == found.names[0] else str(found.differences[name]["auc"].interval.brief())
        tested = "" if name == found.names[0] else f"{found.delong[name]['auc'].p:.2g}"
        spread = f"{folds.mean['auc']:.3f} ± {folds.deviation['auc']:.3f}"
        rows.append([name, spread, pooled.brief(), gain, tested, _seconds(run)])
    columns = ["Strategy", "AUC, mean ± sd of folds", "pooled", f"gain over {found.names[0]}", "DeLong p", "seconds"]
    return markdown(columns, rows)


def _cells(runs: Mapping[str, Run]) -> str:
    rows = []
    for name, run in runs.items():
        val, test = (run.scores[split]["balanced_accuracy"].brief() for split in ("val", "test"))
        rows.append([name, test, run.scores["test"]["auc"].brief(), val, _seconds(run)])
    return markdown(["Strategy", "balanced accuracy, test", "AUC, test", "balanced accuracy, val", "seconds"], rows)


def _chosen(runs: Mapping[str, Run]) -> str:
    """Scores of validation images alone."""
    rows = []
    for name, run in runs.items():
        values = []
        for part in run.folds or [run]:
            table = part.predictions[part.predictions["split"] == "val"]
            names = part.model_info["classes"]["names"]
            truth = np.array([names.index(text) for text in table["target"]])
            shares = table[[f"p_{each}" for each in names]].to_numpy()
            recalls = [(shares[truth == c].argmax(1) == c).mean() for c in range(len(names))]
            values.append((macro_auc(truth, shares[:, 1]) if len(names) == 2 else float("nan"), np.mean(recalls)))
        auc, balanced = np.mean(values, axis=0)
        rows.append([name, f"{auc:.4f}", f"{balanced:.4f}"])
    return markdown(["Strategy", "AUC, val", "balanced accuracy, val"], rows)


def _seconds(run: Run) -> str:
    time = run.environment["time"]
    return f"{sum(time.values()):.0f}, {time['training']:.0f} of it training"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["xrays", "cells"])
    parser.add_argument("--choose", action="store_true", help="print scores of validation images, and no others")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the runs here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
