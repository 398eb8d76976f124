"""Studies that are trained in seconds: drawn shapes, an encoder of four layers, images of 32 pixels, one epoch."""

from importlib import import_module

import pytest
import torch

from medgraft.models.cbr import CBR, CBR_ENCODERS
from medgraft.progress import Observer
from medgraft.studies import study
from medgraft.weightfile import save_weights


class Heard(Observer):
    """Keeps what it is told."""

    def __init__(self):
        self.lines, self.progress = [], []

    def say(self, line):
        self.lines.append(line)

    def working(self, what, done, total):
        self.progress.append((what, done, total))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A small encoder with weights in a file, as a study names it."""
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    torch.manual_seed(3)
    save_weights(file, CBR(CBR_ENCODERS["cbr_tiny_narrow"], 3).state_dict())
    return f"cbr_tiny_narrow@{file}"


@pytest.fixture(scope="session", autouse=True)
def _unmeasured():
    """No study measures how far its images are from the pretraining images, unless a test is about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("medgraft.studies.finish"), "measure_distance", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def conduct(pairs, encoder):
    """Runs a small study, and leaves its report away; whatever is given goes before what it would do."""
    conducting = import_module("medgraft.studies.conduct")

    def run(out, data=None, heard=None, **options):
        quick = {
            "encoder": encoder, "init": ["WT"], "seeds": 1, "lr_grid": [1e-3], "size": 32, "epochs": 1,
            "bootstrap": 100, "engine": "torch", "precision": "fp32", "memory_format": "contiguous",
        }  # fmt: skip
        if options.get("resume"):
            quick = {}
        if "lr" in options:
            quick.pop("lr_grid", None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conducting, "finish", lambda *_: None)
            return study(data or pairs, out=out, observer=heard or Heard(), **(quick | options))

    return run


@pytest.fixture
def heard():
    """Who is told of the progress."""
    return Heard()
