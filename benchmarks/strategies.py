"""Feature extraction, partial and full fine-tuning: Medgraft against a plain timm loop and fastai.

All start from the same weights, on the same split, at the same size and batch, on the CPU. A time is that of the
epochs; Medgraft's and the plain loop's with scoring of the validation images after each, fastai's without. Medgraft's
is everything from the files on, in a fresh cache: decoding, the choice of engine and precision, and extraction too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
from sklearn.metrics import roc_auc_score

from machine import describe_machine, heading, markdown, say
from medgraft import Run, fit
from medgraft.data import Manifest, apply_split_file, open_data
from medgraft.models import find_weights
from medgraft.progress import Observer
from peers import fastai_loop, frozen_loop

BATCH = 16
LEARNING = {"frozen": (), "partial": ("blocks.6.", "conv_head.", "bn2."), "full": ("",)}
"""Beginnings of the names of timm's parameters that learn besides the classifier; ``partial`` is Medgraft's default."""
OPTIONS: dict[str, dict[str, Any]] = {"frozen": {}, "partial": {"patience": 0}, "full": {"patience": 0}}
TITLES = {"frozen": "feature extraction", "partial": "partial (last 2 blocks)", "full": "full"}


def main() -> None:
    """Measure every strategy on every side and print the table."""
    arguments = _arguments()
    machine = describe_machine()
    data = open_data(arguments.data, group=arguments.group)
    epochs = {"frozen": arguments.epochs, "partial": arguments.epochs, "full": arguments.full_epochs}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for strategy in arguments.only or LEARNING:
            say(f"{strategy}: medgraft")
            os.environ["MEDGRAFT_CACHE"] = str(Path(scratch) / f"cache-{strategy}")
            run = fit(
                data, out=Path(scratch) / strategy, observer=Observer(), strategy=strategy, size=arguments.size,
                epochs=epochs[strategy], batch_size=BATCH, **OPTIONS[strategy],
            )  # fmt: skip
            manifest = apply_split_file(data, run.folder / "split.csv")
            rows += _rows(strategy, run, manifest, epochs[strategy], arguments.size)
    print(heading("Three strategies against a plain timm loop and fastai", machine))
    columns = ["Strategy", "", "epochs", "seconds", "Medgraft is faster by", "test AUC"]
    print(markdown(columns, rows))


def _rows(strategy: str, run: Run, manifest: Manifest, epochs: int, size: int) -> list[list[str]]:
    time = run.environment["time"]
    ours = sum(time.get(part, 0.0) for part in ("store", "features", "probe", "head", "training"))
    rows = [[TITLES[strategy], "Medgraft", str(epochs), f"{ours:.1f}", "1", f"{run.scores['test']['auc'].value:.3f}"]]
    for name, told in _peers(strategy, manifest, epochs, size):
        auc = roc_auc_score(manifest.test.labels, told.probabilities)
        rows.append(["", name, str(epochs), f"{told.seconds:.1f}", f"{told.seconds / ours:.1f}", f"{auc:.3f}"])
    return rows


def _peers(strategy: str, manifest: Manifest, epochs: int, size: int) -> list[tuple[str, frozen_loop.Told]]:
    weights = find_weights("tf_efficientnet_lite0")
    mean, std = weights.mean[0], weights.std[0]
    rates = (1e-3, 1e-4 if LEARNING[strategy] else 0.0)

    def model() -> Any:
        learning = LEARNING[strategy]
        return frozen_loop.build("tf_efficientnet_lite0", dict(weights.state), lambda name: name.startswith(learning))

    say(f"{strategy}: timm loop")
    files = [
        frozen_loop.Files(part.table["image"], part.labels, size, train, mean, std)
        for part, train in ((manifest.train, True), (manifest.val, False), (manifest.test, False))
    ]
    plain = frozen_loop.train(model(), *files, epochs, BATCH, *rates, 0)
    say(f"{strategy}: fastai")
    table = manifest.table.assign(target=manifest.labels)
    fast = fastai_loop.train(model(), table, size, mean, std, epochs, BATCH, *rates, 0)
    return [("timm loop", plain), ("fastai", fast)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nih_cxr/labels.csv"), metavar="CSV")
    parser.add_argument("--group", default="nih_patient", metavar="COLUMN")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=10, help="of feature extraction and partial, on every side")
    parser.add_argument("--full-epochs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(LEARNING))
    return parser.parse_args()


if __name__ == "__main__":
    main()
