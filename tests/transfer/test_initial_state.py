"""The state before training, built again from what a run keeps: bit for bit, or not at all."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file

from medgraft.errors import RunError, WeightsError
from medgraft.pipeline.assemble import assemble
from medgraft.recipe import Recipe
from medgraft.transfer import adapt_statistics
from medgraft.transfer.initial_state import initial_state

MEAN, STD = (0.5,) * 3, (0.25,) * 3


def save_weights(file, seed):
    torch.manual_seed(seed)
    save_file(timm.create_model("test_resnet").state_dict(), file)


@pytest.fixture
def begun(tmp_path):
    """A run as it is when its training begins, and its encoder's state then."""
    save_weights(tmp_path / "w.safetensors", 0)

    def begin(**options):
        recipe = Recipe.make(
            **({"encoder": "test_resnet", "weights": str(tmp_path / "w.safetensors"), "strategy": "full", "size": 64,
                "model": "classifier", "task": "classification", "seed": 5} | options)
        )  # fmt: skip
        channels = recipe.channels
        assembled = assemble(recipe, 1, MEAN[:channels], STD[:channels])
        run = SimpleNamespace(folder=Path("runs/x"), recipe=recipe, model_info=assembled.describe())
        return run, getattr(assembled.model, "encoder", None)

    return begin


@pytest.mark.parametrize(
    ("init", "model"),
    [
        *((init, "classifier") for init in (None, "WT", "ST", "RI", "mean_var", "WT-ST-3", "slim-2")),
        *((init, "encoder_unet") for init in ("ST", "RI", "slim-3")),
    ],
)
def test_the_state_is_that_of_the_encoder_before_training(begun, init, model):
    task = "classification" if model == "classifier" else "segmentation"
    run, encoder = begun(init=init, model=model, task=task, channels=1)
    wanted = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    torch.manual_seed(77)
    generator = torch.random.get_rng_state()
    found = initial_state(run)
    assert list(found) == list(wanted) and all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    assert torch.equal(torch.random.get_rng_state(), generator), "a generator of the caller's is left alone"
    with torch.no_grad():
        next(encoder.parameters()).add_(1)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items()), "it shares no memory"


def test_scratch_is_random_and_needs_no_weights(begun):
    run, encoder = begun(strategy="scratch", weights=None)
    assert run.model_info["weights"] is None and run.model_info["initialisation"]["name"] == "RI"
    assert all(torch.equal(encoder.state_dict()[name], tensor) for name, tensor in initial_state(run).items())


def test_random_differs_from_scratch_in_nothing(begun):
    scratch, _ = begun(strategy="scratch", weights=None)
    random, _ = begun(init="RI", weights=None)
    wanted, found = initial_state(scratch), initial_state(random)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    assert random.model_info["weights"] is None


@pytest.mark.parametrize("init", ["WT", "ST"])
def test_statistics_that_were_adapted_are_those_that_training_began_with(begun, tmp_path, init):
    """They were estimated before the first epoch and did not move after it, so the trained file has them."""
    run, encoder = begun(init=init, batch_norm="adapt")
    run.folder = tmp_path
    adapt_statistics(encoder, [torch.rand(6, 3, 64, 64)])
    wanted = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1)
    trained = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    save_file(trained, tmp_path / "model.safetensors")
    found = initial_state(run)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_other_weights_are_refused(begun, tmp_path):
    run, _ = begun(init="ST")
    save_weights(tmp_path / "w.safetensors", 1)
    with pytest.raises(
        WeightsError, match=r"runs/x: the run started from file w\.safetensors \(SHA-256 [0-9a-f]{12}\), "
    ):
        initial_state(run)


def test_weights_that_are_gone_are_missed(begun, tmp_path):
    run, _ = begun(init="WT")
    (tmp_path / "w.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"w\.safetensors: there is no such file"):
        initial_state(run)


def test_a_run_without_an_encoder_or_of_folds_is_refused(begun):
    run, encoder = begun(model="unet", strategy="scratch", weights=None, task="segmentation", widths=(4, 8))
    assert encoder is None
    with pytest.raises(RunError, match="runs/x: model unet has no encoder"):
        initial_state(run)
    run.recipe = run.recipe.model_copy(update={"folds": 3})
    with pytest.raises(RunError, match=r"runs/x: a cross-validation has a model a fold.*fold-1"):
        initial_state(run)
