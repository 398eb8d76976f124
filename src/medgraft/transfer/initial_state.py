"""The state of a run's encoder before it was trained, built again from what the run keeps of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from medgraft.errors import RunError, WeightsError
from medgraft.models import Encoder, ModelSpec, Weights, find_weights
from medgraft.recipe import Recipe
from medgraft.transfer.initialise import starting_model
from medgraft.transfer.parts import batch_norms, encoder_of
from medgraft.weightfile import load_weights


class Begun(Protocol):
    """What is asked of a run: the class :class:`medgraft.run.Run` has it."""

    folder: Path

    @property
    def recipe(self) -> Recipe:
        """The complete recipe that the run was started with."""

    @property
    def model_info(self) -> dict[str, Any]:
        """model.json."""


def initial_state(run: Begun) -> dict[str, Tensor]:
    """Build the encoder's state as it was before training, from the run's recipe, its seed, and the same weights.

    Where the recipe has BatchNorm statistics adapted to the training images (``batch_norm: adapt``), that came before
    the first epoch, and none moved after it: they are taken from the trained model.

    Returns
    -------
    dict
        Tensors by name, as ``encoder.state_dict()`` of the run's own model has them.

    Raises
    ------
    WeightsError
        When the pretrained weights are not at hand, or are not the ones that the run started from.
    RunError
        When the run has no encoder, or is a cross-validation, whose folds have one each; when statistics were adapted
        and the run has no trained model to take them from.
    """
    recipe, info = run.recipe, run.model_info
    if recipe.folds:
        raise RunError(f"{run.folder}: a cross-validation has a model a fold; take one of them, such as "
                       f"{run.folder / 'fold-1'}.")  # fmt: skip
    spec = ModelSpec.from_dict(info["spec"])
    if spec.encoder is None:
        raise RunError(f"{run.folder}: model {spec.model} has no encoder, so nothing was transferred into it.")
    initialisation = recipe.initialisation
    weights = _weights_of(run) if initialisation.pretrained else None
    with torch.random.fork_rng(devices=[]):
        encoder = encoder_of(starting_model(spec, weights, initialisation, recipe.seed))
    assert encoder is not None
    state = {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
    return state | _adapted(run, encoder) if recipe.batch_norm == "adapt" else state


def _adapted(run: Begun, encoder: Encoder) -> dict[str, Tensor]:
    """The statistics of the encoder's BatchNorms as the trained model has them."""
    norms = set(map(id, batch_norms(encoder)))
    names = [
        f"{name}.{own}"
        for name, module in encoder.named_modules()
        if id(module) in norms
        for own, _ in module.named_buffers(recurse=False)
    ]
    trained = load_weights(run.folder / "model.safetensors") if names else {}
    return {name: trained[f"encoder.{name}"] for name in names}


def _weights_of(run: Begun) -> Weights:
    """The pretrained weights that the run started from, by their digest."""
    recorded = run.model_info.get("weights") or {}
    weights = find_weights(run.recipe.encoder, run.recipe.weights)
    if weights.digest != recorded.get("digest"):
        raise WeightsError(
            f"{run.folder}: the run started from {recorded.get('source', 'unknown weights')} (SHA-256 "
            f"{str(recorded.get('digest'))[:12]}), and what is found now is {weights.source} ({weights.digest[:12]}); "
            "bring the former back to where the recipe names them."
        )
    return weights
