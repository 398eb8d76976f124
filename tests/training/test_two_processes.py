"""Two processes on the CPU step like one process with twice the batch (BatchNorm in eval mode couples no images)."""

import os
import socket
import subprocess
import sys

import pytest
import torch

WORKER = """
import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from medgraft import losses
from medgraft.data import Augmenter, PixelStore, open_data
from medgraft.models import ModelSpec, build_model
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import Choices, Trainer, monitor_of
from medgraft.transfer import Strategy

data, folder, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
store = PixelStore.open(open_data(data), 32)
recipe = Recipe.make(size=32, epochs=1, batch_size=batch, strategy="partial", blocks=3, clip=0.0)
torch.manual_seed(0)
model = build_model(ModelSpec(encoder="tf_efficientnet_lite0", widths=(16, 16, 8, 8), bottleneck=16))
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.eval()
        module.train = lambda mode=True: None
accelerator = Accelerator(cpu=True)
trainer = Trainer(
    model, Strategy.from_recipe(recipe), recipe, Choices("torch", "fp32", "contiguous"), store,
    {"train": np.arange(8), "val": np.array([], int)}, losses.create("combo"),
    monitor_of("segmentation", "binary", 0.5), Augmenter(recipe.augment), folder,
    accelerator, Observer(),
)
gradients = {}
step = trainer.optimiser.step
def remember(*given, **named):
    if not gradients:
        gradients.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    return step(*given, **named)
trainer.optimiser.step = remember
trainer.fit()
if accelerator.is_main_process:
    torch.save({"gradients": gradients, "processes": accelerator.num_processes}, folder / "gradients.pt")
"""


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def gradients(ellipses, tmp_path_factory):
    """The first step's gradients of 1 process with a batch of 8 and of 2 processes with 4 each."""
    script = tmp_path_factory.mktemp("worker") / "worker.py"
    script.write_text(WORKER)
    found = {}
    for processes, batch in ((1, 8), (2, 4)):
        folder = tmp_path_factory.mktemp(f"of{processes}")
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
                  "--master-addr", "127.0.0.1", "--master-port", str(_free_port())]  # fmt: skip
        environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
        command = [*launch, str(script), str(ellipses), str(folder), str(batch)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        found[processes] = torch.load(folder / "gradients.pt", weights_only=True)
    return found


def test_the_gradients_are_those_of_the_whole_batch(gradients):
    assert gradients[2]["processes"] == 2
    one, two = gradients[1]["gradients"], gradients[2]["gradients"]
    assert one.keys() == two.keys() and any(name.startswith("encoder") for name in one)
    for name in one:
        scale = one[name].abs().max()
        assert torch.allclose(one[name], two[name], atol=1e-5 * float(scale) + 1e-9), name
