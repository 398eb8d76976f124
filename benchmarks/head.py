"""Feature extraction: a linear head on stored features against the loop that runs the encoder in every epoch.

The plain loop decodes every image and passes it through the frozen encoder in each of the 50 epochs, and scores the
validation images after each. It is measured over a few epochs (``--measured``), and the whole is that time for 50.
Medgraft's 50 epochs are run whole, in a fresh cache, with the same scoring: decoding, export and choice of the engine,
extraction (of the test images too) and training are all in its time. A step is of training alone, on both sides.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
from sklearn.metrics import roc_auc_score

from machine import describe_machine, heading, markdown, say
from medgraft import Run, fit
from medgraft.data import Manifest, apply_split_file, open_data
from medgraft.models import find_weights
from medgraft.progress import Observer
from peers.frozen_loop import Files, Told, build, train

BATCH = 16


def main() -> None:
    """Measure both and print the table."""
    arguments = _arguments()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MEDGRAFT_CACHE"] = str(Path(scratch) / "cache")
        data = open_data(arguments.data, group=arguments.group)
        runs = {}
        for solver in ("adamw", "lbfgs"):
            say(f"medgraft, {solver}")
            # The second finds what the first stored, so each has a cache of its own.
            os.environ["MEDGRAFT_CACHE"] = str(Path(scratch) / solver)
            runs[solver] = fit(
                data, out=Path(scratch) / f"run-{solver}", observer=Observer(), solver=solver,
                encoder=arguments.encoder,
                size=arguments.size, epochs=arguments.epochs, patience=0, batch_size=BATCH,
            )  # fmt: skip
        manifest = apply_split_file(data, runs["adamw"].folder / "split.csv")
        say("plain loop")
        told = _plain(manifest, arguments)
        print(heading("A head on features that are extracted once", machine))
        print(_table(runs, told, manifest, arguments.epochs))


def _plain(manifest: Manifest, arguments: argparse.Namespace) -> Told:
    weights = find_weights(arguments.encoder)
    parts = {
        split: Files(part.table["image"], part.labels, arguments.size, False, weights.mean[0], weights.std[0])
        for split, part in (("train", manifest.train), ("val", manifest.val), ("test", manifest.test))
    }
    model = build(arguments.encoder, dict(weights.state), lambda name: False)
    return train(model, parts["train"], parts["val"], parts["test"], arguments.measured, BATCH, 1e-3, 0.0, 0)


def _table(runs: dict[str, Run], told: Told, manifest: Manifest, epochs: int) -> str:
    plain_epoch = median(told.epochs)
    plain_whole = epochs * (plain_epoch + median(told.validation))
    plain_step = plain_epoch / (told.steps / len(told.epochs))
    rows = [["plain loop", f"{plain_whole:.0f} s", "1", f"{1000 * plain_step:.0f} ms", "1", _plain_auc(told, manifest)]]
    for solver, run in runs.items():
        time = run.environment["time"]
        whole = time["store"] + time["features"] + time["training"]
        parts = f"{time['store']:.1f} + {time['features']:.1f} + {time['training']:.1f}"
        step = median(line["time"]["learning"] for line in run.history) / max(1, len(manifest.train) // BATCH)
        of_step = [f"{1000 * step:.2f} ms", f"{plain_step / step:.0f}"] if solver == "adamw" else ["–", "–"]
        auc = run.scores["test"]["auc"].brief()
        rows.append([f"Medgraft, {solver}", f"{whole:.1f} s ({parts})", f"{plain_whole / whole:.0f}", *of_step, auc])
    names = [f"{epochs} epochs (decoding + extraction + head)", "times faster", "a step", "times faster", "test AUC"]
    note = f"\nThe plain loop's {epochs} epochs are {len(told.epochs)} measured ones, scaled; its AUC is after those.\n"
    return markdown(["", *names], rows) + note


def _plain_auc(told: Told, manifest: Manifest) -> str:
    return f"{roc_auc_score(manifest.test.labels, told.probabilities):.3f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nih_cxr/labels.csv"), metavar="CSV")
    parser.add_argument("--group", default="nih_patient", metavar="COLUMN")
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--measured", type=int, default=3, help="epochs of the plain loop that are really run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
