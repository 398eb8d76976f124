"""Small runs to be tracked, and what is read back of them from the tools' own files."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medgraft import fit
from medgraft.progress import Observer
from medgraft.tracking import mlflow as ours

QUICK = {
    "model": "unet", "strategy": "scratch", "widths": "4,8", "size": 32, "epochs": 3, "precision": "fp32",
    "memory_format": "contiguous", "bootstrap": 100,
}  # fmt: skip
"""A training of a second, with nothing left to a probe."""


class Heard(Observer):
    """Keeps what is said; may be told to do something after an epoch or at a step."""

    def __init__(self, after_epoch=None, at_step=None):
        self.lines = []
        self.after_epoch, self.at_step = after_epoch, at_step

    def say(self, line):
        self.lines.append(line)

    def epoch(self, record):
        if self.after_epoch:
            self.after_epoch(record["epoch"])

    def step(self, epoch, epochs, step, steps, loss):
        if self.at_step:
            self.at_step(epoch)

    def warnings(self):
        return [line for line in self.lines if " fails (" in line]


@contextmanager
def working_in(folder):
    """A working folder in which no tool has been told of a place."""
    folder.mkdir(parents=True, exist_ok=True)
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT"):
        patch.delenv(name, raising=False)
    patch.setenv("WANDB_DATA_DIR", str(folder / "wandb-data"))
    patch.setenv("WANDB_CACHE_DIR", str(folder / "wandb-cache"))
    patch.setenv("WANDB_CONFIG_DIR", str(folder / "wandb-config"))
    try:
        yield patch
    finally:
        patch.undo()


def trained(data, out, observer=None, **options):
    """Fit, and what was heard."""
    observer = observer or Heard()
    return fit(data, out=out, observer=observer, **(QUICK | options)), observer


def figures(line):
    """The numbers of a line of the history by name, written out here once more."""
    found = {"seconds": line["seconds"]} | {f"lr/{part}": rate for part, rate in line["lr"].items()}
    for group in ("train", "val", "time"):
        found |= {f"{group}/{name}": value for name, value in line[group].items()}
    return found


def final_scores(folder):
    """The numbers of scores.json by name."""
    return {
        f"scores/{split.replace(' ', '_')}/{metric}/{end}": score[end]
        for split, metrics in json.loads((folder / "scores.json").read_text()).items()
        for metric, score in metrics.items()
        for end in ("value", "low", "high", "n")
        if score[end] is not None
    }


@contextmanager
def mlflow_client(folder: Path):
    """A client for the folder ``mlruns`` in ``folder``."""
    with ours._settings():
        yield MlflowClient(tracking_uri=(folder / "mlruns").as_uri())


def mlflow_runs(client, experiment="medgraft"):
    """The experiment's runs."""
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def events(run_folder):
    """The run's event files, whole."""
    found = EventAccumulator(str(run_folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    return found.Reload()
